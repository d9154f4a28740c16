# A file with a comment wherever there can be one.

   # Also an indented one.
FROM alpine:3.22 AS a
#no space
RUN echo one \
# at the margin
  && echo two \
      # indented
  && echo three # no comment, but a word for the shell
	# with a tab
COPY a \
# between the words
     b \
     /c/
# The end, without a last line end