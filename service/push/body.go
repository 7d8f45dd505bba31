package push

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"kasse/service/payment"
)

// encode returns the body of a push: the event as in the feed, with the member timestamp of Standard Webhooks
// and the member truncated. If it has maxBody bytes or more, the shop's metadata is left out of data.
func encode(event payment.FeedEvent) ([]byte, error) {
	if !json.Valid(event.Data) {
		return nil, errors.New("the view of an event is not JSON")
	}
	body, err := appendBody(event, false)
	if err != nil || len(body) < maxBody {
		return body, err
	}
	if event.Data, err = withoutMetadata(event.Data); err != nil {
		return nil, err
	}
	return appendBody(event, true)
}

func appendBody(event payment.FeedEvent, truncated bool) ([]byte, error) {
	id, err := quote(event.ID)
	if err != nil {
		return nil, err
	}
	kind, err := quote(event.Type)
	if err != nil {
		return nil, err
	}
	at := event.CreatedAt.AppendFormat(nil, time.RFC3339)
	body := make([]byte, 0, len(event.Data)+len(id)+len(kind)+2*len(at)+128)
	body = append(append(body, `{"id":`...), id...)
	body = append(append(body, `,"type":`...), kind...)
	body = append(append(body, `,"created_at":"`...), at...)
	body = append(append(body, `","restored":`...), boolean(event.Restored)...)
	body = append(append(body, `,"data":`...), event.Data...)
	body = append(append(body, `,"timestamp":"`...), at...)
	body = append(append(body, `","truncated":`...), boolean(truncated)...)
	return append(body, '}'), nil
}

// quote returns a string in JSON. Ids and types need no escapes.
func quote(text string) ([]byte, error) {
	for i := range len(text) {
		switch c := text[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '.', c == '-':
		default:
			return json.Marshal(text)
		}
	}
	return append(append(append(make([]byte, 0, len(text)+2), '"'), text...), '"'), nil
}

func boolean(value bool) string {
	if value {
		return "true"
	}
	return "false"
}

// withoutMetadata returns the view with an empty object as its member metadata.
func withoutMetadata(view []byte) ([]byte, error) {
	decoder := json.NewDecoder(bytes.NewReader(view))
	if opening, err := decoder.Token(); err != nil || opening != json.Delim('{') {
		return nil, errors.Join(errors.New("the view of an event is not an object"), err)
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, err
		}
		if name == "metadata" {
			end := int(decoder.InputOffset())
			return bytes.Join([][]byte{view[:end-len(value)], []byte("{}"), view[end:]}, nil), nil
		}
	}
	return view, nil
}

// orderOf returns the order of an event, whose deliveries stay in order: the member order_id of its view.
// Order ids have no JSON escapes, and only payment_intent precedes it, which cannot contain the member's
// name. Without the member it returns the part of the event's id before the version.
func orderOf(event payment.FeedEvent) string {
	const member = `"order_id":"`
	if _, rest, found := bytes.Cut(event.Data, []byte(member)); found {
		if value, _, closed := bytes.Cut(rest, []byte{'"'}); closed {
			return string(value)
		}
	}
	id, _, _ := strings.Cut(event.ID, ".")
	return id
}
