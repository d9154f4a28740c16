ARG BASE=golang:1.25
FROM $BASE AS deps
WORKDIR /w
COPY go.* ./
RUN go mod download

FROM deps AS lint
COPY . .
RUN go vet ./...

FROM deps AS test
COPY . .
RUN go test -race -count=1 ./... 2>&1 | tee /report.txt

FROM scratch AS report
COPY --from=test /report.txt /

FROM deps AS release
COPY . .
RUN go build -o /usr/local/bin/tool .
CMD ["tool"]
