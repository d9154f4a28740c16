FROM alpine:3.22
ENV ONE=1 TWO="two words" THREE=three\ words FOUR='single $ONE'
ENV OLD style value with   spaces
ENV EMPTY= ALSO_EMPTY=""
ENV REF=$ONE-${TWO} UNSET=${NOTHING:-fallback}
ENV LONG="a \
b \
c"
ENV PATH /opt/bin:$PATH
LABEL one=1 "two words"="value with spaces" three='x=y' multi="line one \
line two"
