package parking

import (
	"bytes"
	"net/http"
	"strconv"
	"time"
)

// chunkedOver is the largest body, in bytes, for which http.Server sets Content-Length itself.
const chunkedOver = 2048

// headRoom is the size of the head of an answer, in bytes, that its buffer has room for at once.
const headRoom = 768

// render returns a response in http.Server's form for an HTTP/1.1 client, for a handler that writes its body
// in one piece and sets neither Date nor Content-Length. It may change the header.
func render(status int, header http.Header, body []byte, closes bool, now time.Time) []byte {
	b := bytes.NewBuffer(make([]byte, 0, headRoom+len(body)))
	b.WriteString("HTTP/1.1 ")
	b.WriteString(strconv.Itoa(status))
	b.WriteByte(' ')
	b.WriteString(http.StatusText(status))
	b.WriteString("\r\n")
	hasBody := status != http.StatusNoContent && status != http.StatusNotModified
	if !hasBody {
		delete(header, "Content-Type")
	}
	_ = header.Write(b) // a buffer takes everything
	b.WriteString("Date: ")
	b.Write(now.UTC().AppendFormat(b.AvailableBuffer(), http.TimeFormat))
	chunked := hasBody && len(body) > chunkedOver
	if hasBody && !chunked {
		b.WriteString("\r\nContent-Length: ")
		b.WriteString(strconv.Itoa(len(body)))
	}
	if closes {
		b.WriteString("\r\nConnection: close")
	}
	if chunked {
		b.WriteString("\r\nTransfer-Encoding: chunked\r\n\r\n")
		b.WriteString(strconv.FormatInt(int64(len(body)), 16))
		b.WriteString("\r\n")
		b.Write(body)
		b.WriteString("\r\n0\r\n\r\n")
		return b.Bytes()
	}
	b.WriteString("\r\n\r\n")
	if hasBody {
		b.Write(body)
	}
	return b.Bytes()
}
