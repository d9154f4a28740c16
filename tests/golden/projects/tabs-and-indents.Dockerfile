	FROM alpine:3.22
	    RUN	echo	tabs
  ENV	A=1	B=2
		COPY	a	b	/c/
	CMD	[	"sh"	,	"-c"	,	"env"	]
