#   syntax   =   docker/dockerfile:1
# ESCAPE=\
#check = skip=JSONArgsRecommended;error=false

FROM busybox
CMD httpd -f
