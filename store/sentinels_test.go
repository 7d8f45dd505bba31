package store

import (
	"reflect"
	"slices"
	"testing"

	"github.com/redis/go-redis/v9"
)

// TestSentinelOptionsAreKept: the options in the URL for connections to the master also apply to the client that caches
// views.
func TestSentinelOptionsAreKept(t *testing.T) {
	o, err := redis.ParseFailoverURL("redis://s:p@127.0.0.1:1/0?master_name=m&client_name=c&username=u&password=w" +
		"&protocol=3&max_retries=7&min_retry_backoff=1ms&max_retry_backoff=2s&dial_timeout=3s&dialer_retries=4" +
		"&dialer_retry_timeout=5ms&read_timeout=6s&write_timeout=7s&pool_fifo=true&pool_size=8&max_concurrent_dials=9" +
		"&min_idle_conns=10&max_idle_conns=11&max_active_conns=12&pipeline_pool_size=13&pipeline_read_buffer_size=14" +
		"&pipeline_write_buffer_size=15&conn_max_lifetime=16s&conn_max_lifetime_jitter=1s&conn_max_idle_time=17s" +
		"&pool_timeout=18s&disableIdentity=true&identitySuffix=i")
	if err != nil {
		t.Fatal(err)
	}
	o.ContextTimeoutEnabled = true
	s := newSentinels(o)
	defer s.close()
	from, to := reflect.ValueOf(*o), reflect.ValueOf(*s.clusterOptions())
	compared := 0
	for i := range from.NumField() {
		name := from.Type().Field(i).Name
		other := to.FieldByName(name)
		if from.Field(i).IsZero() || !other.IsValid() || name == "MaxRetries" { // its counterpart is MaxRedirects
			continue
		}
		compared++
		if !reflect.DeepEqual(other.Interface(), from.Field(i).Interface()) {
			t.Errorf("%s is %v, want %v", name, other, from.Field(i))
		}
	}
	if s.clusterOptions().MaxRedirects != 7 || compared < 24 {
		t.Errorf(
			"%d options were compared, want 24 or more; MaxRedirects is %d, want 7",
			compared, s.clusterOptions().MaxRedirects,
		)
	}
	if !slices.Equal(o.SentinelAddrs, []string{"127.0.0.1:1"}) {
		t.Errorf("SentinelAddrs is %v", o.SentinelAddrs)
	}
}
