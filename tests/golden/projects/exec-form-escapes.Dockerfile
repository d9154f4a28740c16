FROM alpine
ENV GREETING="hello \"world\"" PATHS='C:\temp;D:\temp' MIX=a\ b\ c
CMD ["sh", "-c", "printf '%s\\n' \"$GREETING\" \"\u00e9t\u00e9\" \"tab\there\""]
