package storetest

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// DumpAll returns the whole content of every key as text, for tests that look for secrets or compare states.
// Times to live are left out, since they change. It panics if Redis is unreachable, since an incomplete dump
// would hide secrets.
func DumpAll(ctx context.Context, client redis.UniversalClient) map[string]string {
	dump := map[string]string{}
	for _, key := range allKeys(ctx, client) {
		if text, there := content(ctx, client, key); there {
			dump[key] = text
		}
	}
	return dump
}

// allKeys scans every node with keys.
func allKeys(ctx context.Context, client redis.UniversalClient) []string {
	var mu sync.Mutex
	var keys []string
	scan := func(ctx context.Context, node redis.Cmdable) error {
		each := node.Scan(ctx, 0, "*", 1_000).Iterator()
		for each.Next(ctx) {
			mu.Lock()
			keys = append(keys, each.Val())
			mu.Unlock()
		}
		return each.Err()
	}
	var err error
	if cluster, ok := client.(*redis.ClusterClient); ok {
		err = cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error { return scan(ctx, node) })
	} else {
		err = scan(ctx, client)
	}
	check(err)
	return keys
}

// content returns a value as text; false for a key that has expired since it was listed.
func content(ctx context.Context, client redis.UniversalClient, key string) (string, bool) {
	kind, err := client.Type(ctx, key).Result()
	check(err)
	switch kind {
	case "none":
		return "", false
	case "string":
		text, err := client.Get(ctx, key).Result()
		if errors.Is(err, redis.Nil) { // it has expired since
			return "", false
		}
		check(err)
		return text, true
	case "hash":
		fields, err := client.HGetAll(ctx, key).Result()
		check(err)
		return lines(fields), true
	case "list":
		items, err := client.LRange(ctx, key, 0, -1).Result()
		check(err)
		return strings.Join(items, "\n"), true
	case "set":
		members, err := client.SMembers(ctx, key).Result()
		check(err)
		sort.Strings(members)
		return strings.Join(members, "\n"), true
	case "zset":
		members, err := client.ZRangeWithScores(ctx, key, 0, -1).Result()
		check(err)
		return joined(members, func(m redis.Z) string { return fmt.Sprintf("%.0f %v", m.Score, m.Member) }), true
	case "stream":
		entries, err := client.XRange(ctx, key, "-", "+").Result()
		check(err)
		return joined(entries, entryText), true
	}
	panic("storetest: " + key + " is a " + kind + ", which this dump cannot read")
}

func entryText(entry redis.XMessage) string {
	fields := map[string]string{}
	for name, value := range entry.Values {
		fields[name] = fmt.Sprint(value)
	}
	return entry.ID + "\n" + lines(fields)
}

// lines returns fields as text in a fixed order, so that equal values give equal texts.
func lines(fields map[string]string) string {
	text := make([]string, 0, len(fields))
	for name, value := range fields {
		text = append(text, name+" "+value)
	}
	sort.Strings(text)
	return strings.Join(text, "\n")
}

func joined[T any](items []T, text func(T) string) string {
	all := make([]string, 0, len(items))
	for _, item := range items {
		all = append(all, text(item))
	}
	return strings.Join(all, "\n")
}

func check(err error) {
	if err != nil {
		panic(fmt.Sprintf("storetest: dump Redis: %v", err))
	}
}
