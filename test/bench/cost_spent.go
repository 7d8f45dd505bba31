package main

import (
	"kasse/test/internal/testenv"
)

// spent is processor time in microseconds, by kind of process.
type spent struct{ kasse, masters, replicas, sentinels float64 }

// spentParts are the parts of spent.
var spentParts = []struct {
	name string
	of   func(*spent) *float64
}{
	{"kasse", func(s *spent) *float64 { return &s.kasse }},
	{"masters", func(s *spent) *float64 { return &s.masters }},
	{"replicas", func(s *spent) *float64 { return &s.replicas }},
	{"sentinels", func(s *spent) *float64 { return &s.sentinels }},
}

// each returns s with a function applied to each part.
func (s spent) each(of func(at int, value float64) float64) spent {
	for at, part := range spentParts {
		*part.of(&s) = of(at, *part.of(&s))
	}
	return s
}

func (s spent) minus(other spent) spent {
	return s.each(func(at int, value float64) float64 { return value - *spentParts[at].of(&other) })
}

func (s spent) plus(other spent) spent {
	return s.each(func(at int, value float64) float64 { return value + *spentParts[at].of(&other) })
}

func (s spent) times(factor float64) spent {
	return s.each(func(_ int, value float64) float64 { return value * factor })
}

// positive replaces negative parts by zero. A part may be negative after the idle time was subtracted.
func (s spent) positive() spent {
	return s.each(func(_ int, value float64) float64 { return max(value, 0) })
}

// spent returns the processor time of the setup's processes so far.
func (s *costSetup) spent() spent {
	of := func(servers []*testenv.Redis) (all float64) {
		for _, server := range servers {
			all += micros(processorTime(server.Process.PID()))
		}
		return all
	}
	return spent{
		micros(processorTime(s.kasse.PID())), of(s.servers.Masters), of(s.servers.Replicas), of(s.servers.Sentinels),
	}
}
