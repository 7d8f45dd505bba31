package parking

import (
	"bytes"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// chunkedOver is the largest body, in bytes, for which http.Server sets Content-Length itself.
const chunkedOver = 2048

// headRoom is the space, in bytes, that a buffer has for the head of an answer.
const headRoom = 768

// render writes an answer as http.Server writes it to an HTTP/1.1 client, where the handler writes its body in one
// piece and sets neither Date nor Content-Length. It may change the header.
//
// Source: net/http, chunkWriter.writeHeader and extraHeader.Write.
func render(b *bytes.Buffer, status int, header http.Header, body []byte, closes bool, now time.Time) {
	b.Grow(headRoom + len(body))
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
	b.WriteString(date(now))
	chunked := hasBody && len(body) > chunkedOver
	if hasBody && !chunked {
		b.WriteString("\r\nContent-Length: ")
		b.WriteString(strconv.Itoa(len(body)))
	}
	if hasBody && len(body) > 0 && header["Content-Type"] == nil {
		b.WriteString("\r\nContent-Type: ")
		b.WriteString(http.DetectContentType(body))
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
		return
	}
	b.WriteString("\r\n\r\n")
	if hasBody {
		b.Write(body)
	}
}

// dated is a second as the Date header has it.
type dated struct {
	second int64
	text   string
}

var lastDate atomic.Pointer[dated]

// date is the moment as the Date header has it.
func date(now time.Time) string {
	second := now.Unix()
	if last := lastDate.Load(); last != nil && last.second == second {
		return last.text
	}
	text := now.UTC().Format(http.TimeFormat)
	lastDate.Store(&dated{second, text})
	return text
}
