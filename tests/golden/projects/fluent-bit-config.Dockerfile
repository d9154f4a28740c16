FROM fluent/fluent-bit:4.0
COPY <<-"INPUT" <<-"OUTPUT" /fluent-bit/etc/
	[INPUT]
	    Name tail
	    Path /var/log/*.log
	INPUT
	[OUTPUT]
	    Name stdout
	    Match *
	OUTPUT
CMD ["/fluent-bit/bin/fluent-bit", "-c", "/fluent-bit/etc/INPUT"]
