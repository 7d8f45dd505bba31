package app

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
)

// mostSlips is the largest number of wrong letters for which a variable counts as a misspelling of ours.
const mostSlips = 2

// unread describes variables of the environment that nothing reads and that resemble ours, with the likely
// intended name. Values are left out.
func unread() (hints []string) {
	var known []string
	for field := range reflect.TypeFor[environment]().Fields() {
		known = append(known, field.Tag.Get("envconfig"))
	}
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if meant := nearest(name, known); meant != "" && meant != name && !strings.HasPrefix(name, "OTEL_") {
			hints = append(hints, fmt.Sprintf("%s is set, but no such variable exists: did you mean %s?", name, meant))
		}
	}
	slices.Sort(hints)
	return hints
}

// nearest returns the most similar known name; empty if none is similar. Longer and shorter forms count, but
// not the variables that Kubernetes sets for a service named redis.
func nearest(name string, known []string) string {
	best, least := "", mostSlips+1
	for _, one := range known {
		distance := slips(name, one)
		isShorter := strings.HasPrefix(one, name) && strings.Count(name, "_") > 0
		if strings.HasPrefix(name, one) || isShorter || omitsWords(name, one) {
			distance = min(distance, mostSlips)
		}
		if distance < least {
			best, least = one, distance
		}
	}
	return best
}

// omitsWords reports whether the name is a known one with words left out, as CORS_ORIGINS is of
// CORS_ALLOWED_ORIGINS. The first word and another one must be present. A final S is ignored.
func omitsWords(name, known string) bool {
	words, all := strings.Split(name, "_"), strings.Split(known, "_")
	if len(words) < 2 || words[0] != all[0] {
		return false
	}
	for _, word := range all {
		if len(words) > 0 && strings.TrimSuffix(words[0], "S") == strings.TrimSuffix(word, "S") {
			words = words[1:]
		}
	}
	return len(words) == 0
}

// slips counts missing, additional, wrong and swapped letters (the optimal string alignment distance).
func slips(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			changed := last[j-1]
			if a[i-1] != b[j-1] {
				changed++
			}
			row[j] = min(last[j]+1, row[j-1]+1, changed)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
