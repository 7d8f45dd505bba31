package otlp

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"mime"
	"strings"

	spans "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

const (
	contentProtobuf = "application/x-protobuf"
	contentJSON     = "application/json"
)

// encode writes a batch as the body of a request. A TracesData has the same bytes as an ExportTraceServiceRequest: in
// both, field 1 holds the ResourceSpans. The latter's package links gRPC.
func (c *client) encode(batch []*spans.ResourceSpans) (body []byte, err error) {
	message := &spans.TracesData{ResourceSpans: batch}
	if c.json {
		body, err = encodeJSON(message)
	} else {
		body, err = proto.Marshal(message)
	}
	if err == nil && c.gzip {
		body, err = compressed(body)
	}
	return body, err
}

// encodeJSON writes enums as numbers and ids in hexadecimal, as OTLP wants them in JSON; protojson writes bytes in
// base64 only. Source: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
func encodeJSON(batch *spans.TracesData) ([]byte, error) {
	for _, resource := range batch.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				span.TraceId, span.SpanId = hexID(span.GetTraceId()), hexID(span.GetSpanId())
				span.ParentSpanId = hexID(span.GetParentSpanId())
				for _, link := range span.GetLinks() {
					link.TraceId, link.SpanId = hexID(link.GetTraceId()), hexID(link.GetSpanId())
				}
			}
		}
	}
	return protojson.MarshalOptions{UseEnumNumbers: true}.Marshal(batch)
}

// hexID returns the bytes whose base64 is the id in hexadecimal. Hexadecimal of 8 or 16 bytes is always base64 of 12
// or 24.
func hexID(id []byte) []byte {
	b, err := base64.StdEncoding.DecodeString(strings.ToUpper(hex.EncodeToString(id)))
	if err != nil {
		return nil
	}
	return b
}

// partial returns an error if the collector took the request and refused some of its spans. An answer that cannot be
// read counts as success.
func partial(contentType string, answer []byte) error {
	var rejected int64
	var message string
	switch kind, _, _ := mime.ParseMediaType(contentType); kind {
	case contentProtobuf:
		rejected, message = partialProtobuf(answer)
	case contentJSON:
		var read struct {
			PartialSuccess struct {
				RejectedSpans json.RawMessage `json:"rejectedSpans"` // a number in quotes, or without
				ErrorMessage  string          `json:"errorMessage"`
			} `json:"partialSuccess"`
		}
		_ = json.Unmarshal(answer, &read)
		message = read.PartialSuccess.ErrorMessage
		_, _ = fmt.Sscan(string(trimQuotes(read.PartialSuccess.RejectedSpans)), &rejected)
	}
	if rejected == 0 && message == "" {
		return nil
	}
	return fmt.Errorf("the collector refused %d spans: %q", rejected, message[:min(len(message), refusalBytes)])
}

func trimQuotes(text []byte) []byte {
	if len(text) >= 2 && text[0] == '"' {
		return text[1 : len(text)-1]
	}
	return text
}

// partialProtobuf reads an ExportTraceServiceResponse: field 1 is partial_success, with rejected_spans in its field 1
// and error_message in its field 2. Source: trace_service.proto of opentelemetry-proto v1.11.0.
func partialProtobuf(answer []byte) (rejected int64, message string) {
	walk(answer, func(field protowire.Number, _ uint64, inner []byte) {
		if field != 1 {
			return
		}
		walk(inner, func(field protowire.Number, number uint64, text []byte) {
			switch int(field) {
			case 1:
				rejected = int64(number) //nolint:gosec // the field is an int64
			case 2:
				message = string(text)
			}
		})
	})
	return rejected, message
}

// walk passes every field of a message to visit, with its number or its bytes. It ends at the first that is broken.
func walk(message []byte, visit func(field protowire.Number, number uint64, content []byte)) {
	for len(message) > 0 {
		field, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return
		}
		message = message[n:]
		var number uint64
		var content []byte
		switch kind {
		case protowire.VarintType:
			number, n = protowire.ConsumeVarint(message)
		case protowire.BytesType:
			content, n = protowire.ConsumeBytes(message)
		default:
			n = protowire.ConsumeFieldValue(field, kind, message)
		}
		if n < 0 {
			return
		}
		visit(field, number, content)
		message = message[n:]
	}
}
