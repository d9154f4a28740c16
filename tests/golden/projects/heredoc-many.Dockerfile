# syntax=docker/dockerfile:1
FROM alpine:3.22
COPY <<one.txt <<"two.txt" <<-three.txt /texts/
first $HOME
one.txt
second $HOME
two.txt
	third, without its tab
	three.txt
RUN <<A cat - /texts/* > /all; cat <<B >> /all
from a
A
from b
B
ADD <<EOF /added
added
EOF
