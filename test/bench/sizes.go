package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// growthKind is how much a figure may grow with the number of orders.
type growthKind int

const (
	perRequest growthKind = iota // not at all
	perOrder                     // not at all, since the figure is divided by the number of orders
	wholeData                    // in proportion to the number of orders
)

// series is one figure at each size.
type series struct {
	measure, unit string
	kind          growthKind
	values        []float64
}

// sizes are all figures at all sizes.
type sizes struct {
	counts []int // orders
	all    []*series
}

func (s *sizes) note(measure, unit string, kind growthKind, at int, value float64) {
	i := slices.IndexFunc(s.all, func(of *series) bool { return of.measure == measure && of.unit == unit })
	if i < 0 {
		i = len(s.all)
		s.all = append(s.all, &series{measure, unit, kind, make([]float64, len(s.counts))})
	}
	s.all[i].values[at] = value
}

// grownBy returns the last value divided by the first; zero if the first one is zero.
func (s *series) grownBy() float64 {
	if s.values[0] == 0 {
		return 0
	}
	return s.values[len(s.values)-1] / s.values[0]
}

// print prints the figures as Markdown, with the growth of each.
func (s *sizes) print(out io.Writer) {
	last := len(s.counts) - 1
	fmt.Fprint(out, "\n| measured | unit |")
	for _, count := range s.counts {
		fmt.Fprintf(out, " %s |", thousands(count))
	}
	fmt.Fprintf(
		out, " grown by (data: %s ×) | may grow |\n|---|---|%s---|---|\n",
		plain(float64(s.counts[last])/float64(s.counts[0])), strings.Repeat("---|", last+1),
	)
	for _, of := range s.all {
		fmt.Fprintf(out, "| %s | %s |", of.measure, of.unit)
		for _, value := range of.values {
			fmt.Fprintf(out, " %s |", plain(value))
		}
		may := "no"
		if of.kind == wholeData {
			may = "as the data"
		}
		fmt.Fprintf(out, " %s | %s |\n", plain(of.grownBy()), may)
	}
}

// plain formats a number with three significant digits.
func plain(value float64) string {
	switch {
	case value == 0:
		return "0"
	case value >= 1000:
		return thousands(int(value + .5))
	case value >= 100:
		return fmt.Sprintf("%.0f", value)
	case value >= 10:
		return fmt.Sprintf("%.1f", value)
	}
	return fmt.Sprintf("%.2f", value)
}

// thousands formats 1000000 as 1,000,000.
func thousands(n int) string {
	text := fmt.Sprint(n)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}
