package stripe

import (
	"maps"
	"net/url"
	"slices"
	"testing"

	stripeform "github.com/stripe/stripe-go/v79/form"
	"pgregory.net/rapid"
)

// TestFormEncoding: a form is encoded like url.Values, and sent as stripe-go sends it. So a form that an older version
// stored or sent is sent again with the same bytes.
func TestFormEncoding(t *testing.T) {
	t.Parallel()
	name := rapid.OneOf(
		rapid.String(),
		rapid.SampledFrom([]string{"amount", "metadata[a]", "metadata[%5B]", "metadata[ü&=]", "m[a][b]"}),
	)
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.MapOfN(name, rapid.String(), 0, 8).Draw(t, "values")
		f, expected, sorted := form{}, url.Values{}, &stripeform.Values{}
		for name, value := range values {
			f.add(name, value)
			expected.Set(name, value)
		}
		for _, name := range slices.Sorted(maps.Keys(values)) {
			sorted.Add(name, values[name])
		}
		if got, want := f.encode(), expected.Encode(); got != want {
			t.Fatalf("encoded as %q, want %q", got, want)
		}
		if got, want := f.wire(), sorted.Encode(); got != want {
			t.Fatalf("sent as %q, want %q", got, want)
		}
		if got, want := wireForm(f.encode()), sorted.Encode(); got != want {
			t.Fatalf("a stored form is sent as %q, want %q", got, want)
		}
	})
}
