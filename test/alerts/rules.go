package main

import (
	"regexp"
	"strconv"
	"strings"
)

const (
	rulesFile = "deploy/prometheus/kasse.rules.yaml"
	boardFile = "deploy/grafana/kasse.json"
)

var alertLine = regexp.MustCompile(`(?m)^\s*- alert: (\w+)\s*$`)

// alertNames returns the names of the file's rules, in its order.
func alertNames(rules string) (names []string) {
	for _, match := range alertLine.FindAllStringSubmatch(rules, -1) {
		names = append(names, match[1])
	}
	return names
}

var (
	heldFor  = regexp.MustCompile(`(?m)^(\s*for: )(\d+)([mh])$`)
	lookBack = regexp.MustCompile(`\[(\d+)([mh])\]`)
	pushAge  = regexp.MustCompile(`(kasse_push_age_seconds\) > )(\d+)`)
)

// shorten returns the rules with times that a test can wait for. It changes only these:
//
//   - each `for:` and each range in brackets is sixty times shorter: an hour is a minute, a minute a second;
//   - so is the age of a push, whose threshold is a multiple of a receiver's timeout.
//
// Other thresholds stay. The lag of webhooks counts from Stripe's whole seconds, and Kasse's catch-up always
// runs every five minutes. Prometheus scrapes and evaluates every second.
func shorten(rules string) string {
	units := strings.NewReplacer("m", "s", "h", "m")
	rules = heldFor.ReplaceAllStringFunc(rules, func(match string) string {
		part := heldFor.FindStringSubmatch(match)
		return part[1] + part[2] + units.Replace(part[3])
	})
	rules = lookBack.ReplaceAllStringFunc(rules, units.Replace)
	return pushAge.ReplaceAllStringFunc(rules, func(match string) string {
		part := pushAge.FindStringSubmatch(match)
		seconds, _ := strconv.Atoi(part[2]) // the pattern matches digits only
		return part[1] + strconv.Itoa(seconds/60)
	})
}
