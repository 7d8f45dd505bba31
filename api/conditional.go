package api

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"kasse/service"
	"kasse/service/payment"
)

// entityTags is the value of an If-Match or If-None-Match header. Tags are kept without quotes,
// without the mark W/ of weak ones, and without a compression suffix: a proxy that compresses an
// answer rewrites its ETag in one of these ways, and the version that it names is still ours.
type entityTags struct {
	any       bool // "*"
	opaque    []string
	malformed bool // at least one member is not an entity tag
}

// compressionSuffix is what compressing proxies append to an ETag, inside the quotes.
//
// Source: Apache mod_deflate (DeflateAlterETag, "-gzip") and mod_brotli ("-br"), Jetty's GzipHandler ("--gzip").
var compressionSuffix = regexp.MustCompile(`(--?|;)(gzip|br|zstd|deflate)$`)

// parseEntityTags reads a list of entity tags, over several lines of the header too (RFC 9110,
// section 8.8.3). A malformed member is skipped up to the next comma.
func parseEntityTags(lines []string) entityTags {
	var tags entityTags
	for rest := strings.Join(lines, ","); ; {
		rest = strings.TrimLeft(rest, " \t,")
		if rest == "" {
			return tags
		}
		opaque, isAny, after, ok := cutEntityTag(rest)
		end := strings.TrimLeft(after, " \t")
		switch {
		case !ok || (end != "" && end[0] != ','):
			tags.malformed = true
			_, end, _ = strings.Cut(after, ",")
		case isAny:
			tags.any = true
		default:
			tags.opaque = append(tags.opaque, compressionSuffix.ReplaceAllString(opaque, ""))
		}
		rest = end
	}
}

// cutEntityTag cuts the first member off a list.
func cutEntityTag(list string) (opaque string, isAny bool, after string, ok bool) {
	if after, isAny = strings.CutPrefix(list, "*"); isAny {
		return "", true, after, true
	}
	quoted, found := strings.CutPrefix(strings.TrimPrefix(list, "W/"), `"`)
	opaque, after, closed := strings.Cut(quoted, `"`)
	isControl := func(r rune) bool { return r <= ' ' || r == '\x7f' }
	if !found || !closed || strings.ContainsFunc(opaque, isControl) {
		return "", false, list, false
	}
	return opaque, false, after, true
}

// includes reports whether the header names the ETag. The comparison is weak for both headers: after a proxy has
// compressed an answer, a weak tag is all that its reader has.
func (t entityTags) includes(etag string) bool {
	return t.any || slices.Contains(t.opaque, strings.Trim(etag, `"`))
}

// noneMatch reports whether If-None-Match names the current ETag, so that the caller has the answer
// already. Malformed members match nothing.
func noneMatch(h http.Header, etag string) bool {
	return tagsMatch(h[headerIfNoneMatch], etag)
}

func tagsMatch(lines []string, etag string) bool {
	if len(lines) == 0 || (len(lines) == 1 && lines[0] == etag) {
		return len(lines) > 0
	}
	return parseEntityTags(lines).includes(etag)
}

const (
	headerIfMatch     = "If-Match"
	headerIfNoneMatch = "If-None-Match"
)

// neededIfMatch returns the versions that the caller allows the change for.
func neededIfMatch(h http.Header) (entityTags, error) {
	lines := h[headerIfMatch]
	if len(lines) == 0 {
		fieldErrors := []fieldError{
			{Header: headerIfMatch, Detail: "must be the ETag that the last read of the payment returned"},
		}
		return entityTags{}, &refusal{
			codeIfMatchRequired, "The change must name the version of the payment that it changes.", fieldErrors,
		}
	}
	tags := parseEntityTags(lines)
	if tags.malformed || tags.any == (len(tags.opaque) > 0) {
		fieldErrors := []fieldError{
			{Header: headerIfMatch, Detail: `must be a quoted ETag of the payment, a list of quoted ETags, or *`},
		}
		return entityTags{}, &refusal{payment.CodeInvalidRequest, "A header is not valid.", fieldErrors}
	}
	return tags, nil
}

// anyVersionTries bounds how often a change with "If-Match: *" starts again since the payment has
// changed meanwhile.
const anyVersionTries = 3

// changeAmount changes the amount of a payment whose version the tags include. The service compares one
// version, so for a list or "*" the current one is read first. A tag that is no version counts as an old one.
func (a *api) changeAmount(
	ctx context.Context, caller service.Caller, id payment.ID, tags entityTags, amount int64,
) (payment.StoredView, error) {
	if len(tags.opaque) == 1 {
		return a.service.ChangeAmount(ctx, id, versionOf(tags.opaque[0]), amount)
	}
	for tries := 1; ; tries++ {
		current, err := a.service.Status(ctx, caller, id)
		if err != nil {
			return payment.StoredView{}, err
		}
		version := current.Version
		if !tags.includes(etag(version)) {
			version = 0
		}
		changed, err := a.service.ChangeAmount(ctx, id, version, amount)
		var failed *payment.Error
		if tags.any && tries < anyVersionTries && errors.As(
			err, &failed,
		) && failed.Code == payment.CodeVersionMismatch {
			continue
		}
		return changed, err
	}
}

// versionOf reads the version that an ETag of ours names; 0, which no payment has, for every other.
func versionOf(opaque string) int64 {
	version, err := strconv.ParseInt(opaque, 10, 64)
	if err != nil || strconv.FormatInt(version, 10) != opaque {
		return 0
	}
	return version
}
