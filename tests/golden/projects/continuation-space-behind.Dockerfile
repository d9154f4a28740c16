FROM alpine:3.22
RUN echo one \   
    two \	
    three
ENV A=b \  
    C=d
