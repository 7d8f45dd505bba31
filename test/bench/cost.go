package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"kasse/test/internal/testenv"
	"kasse/test/wait"
)

// costOptions are the flags of the scenario cost.
type costOptions struct {
	modes    []string // Redis modes; the others are compared with the first
	replicas int      // of each master
	confirm  int      // REDIS_WAIT_REPLICAS, if there are replicas; -1: all of them
	fsync    string   // appendfsync of all servers
	tasks    *regexp.Regexp
}

// costFlags declares the flags of the scenario cost.
func costFlags(flags *flag.FlagSet) *costOptions {
	o := &costOptions{modes: testenv.RedisModes, tasks: regexp.MustCompile("")}
	flags.Func("tasks", "cost: regular expression for the tasks; a task on the payments of another task needs both",
		func(text string) (err error) {
			o.tasks, err = regexp.Compile(text)
			return err
		})
	flags.Func("redis", "cost: Redis modes; the others are compared with the first (single,sentinel,cluster)",
		func(text string) (err error) {
			o.modes, err = parseModes(text)
			return err
		})
	flags.IntVar(&o.replicas, "replicas", 1, "cost: replicas of each master; a single server has none")
	flags.IntVar(&o.confirm, "confirm", -1, "cost: REDIS_WAIT_REPLICAS, if there are replicas; -1: all of them")
	flags.StringVar(&o.fsync, "appendfsync", "always", "cost: appendfsync of all redis-servers")
	return o
}

// parseModes parses Redis modes, separated by commas.
func parseModes(text string) ([]string, error) {
	modes := strings.Split(text, ",")
	for _, mode := range modes {
		if !slices.Contains(testenv.RedisModes, mode) {
			return nil, fmt.Errorf("%q is not a Redis mode; use %s", mode, strings.Join(testenv.RedisModes, ", "))
		}
	}
	return modes, nil
}

// cost measures the processor time of Kasse and of all redis-servers for each kind of request, on a single server,
// behind sentinels and on a cluster, in turns.
func cost(ctx context.Context, b *bench) error {
	var all []*costSetup
	defer func() {
		for _, s := range all {
			s.Close()
		}
	}()
	for _, mode := range b.cost.modes {
		s, err := b.newCostSetup(ctx, mode)
		if err != nil {
			return err
		}
		all = append(all, s)
	}
	parts := b.costParts()
	for round := range b.rounds {
		if err := costRound(ctx, round, all, parts); err != nil {
			return err
		}
	}
	b.costTables()
	return nil
}

// costPart is a group of tasks, with the server's settings.
type costPart struct {
	settings func(s *costSetup) map[string]string
	tasks    []costTask
}

// costParts returns the chosen tasks: first those without push endpoints, then those with one.
func (b *bench) costParts() (parts []costPart) {
	for _, part := range []costPart{
		{func(*costSetup) map[string]string { return nil }, costTasks},
		{(*costSetup).pushSettings, pushTasks},
	} {
		part.tasks = slices.DeleteFunc(slices.Clone(part.tasks), func(t costTask) bool {
			return !b.cost.tasks.MatchString(t.name)
		})
		if len(part.tasks) > 0 {
			parts = append(parts, part)
		}
	}
	return parts
}

// chosenTasks returns the tasks of all parts.
func (b *bench) chosenTasks() (all []costTask) {
	for _, part := range b.costParts() {
		all = append(all, part.tasks...)
	}
	return all
}

// costRound measures each kind of request once in each setup, in turns. A single part keeps its servers for all rounds.
func costRound(ctx context.Context, round int, all []*costSetup, parts []costPart) error {
	for _, part := range parts {
		if round == 0 || len(parts) > 1 {
			if err := beginAll(ctx, all, part); err != nil {
				return err
			}
		}
		for _, t := range part.tasks {
			for at := range all {
				s := all[(at+round)%len(all)]
				s.round = round
				if err := s.measure(ctx, t); err != nil {
					return fmt.Errorf("%s: %s: %w", s.mode, t.name, err)
				}
			}
		}
	}
	return nil
}

// beginAll starts a server in each setup. It replaces the server of the previous part.
func beginAll(ctx context.Context, all []*costSetup, part costPart) error {
	for _, s := range all {
		if s.kasse != nil {
			if err := s.kasse.Terminate(ctx); err != nil {
				return err
			}
		}
		if err := s.begin(ctx, part.settings(s)); err != nil {
			return fmt.Errorf("%s: %w", s.mode, err)
		}
	}
	return measureIdle(ctx, all)
}

// measureIdle measures the processor time of all servers without requests.
func measureIdle(ctx context.Context, all []*costSetup) error {
	length := 2 * all[0].length
	if !wait.Pause(ctx, length) { // the first passes of the background work end
		return ctx.Err()
	}
	began, before := time.Now(), make([]spent, len(all))
	for i, s := range all {
		before[i] = s.spent()
	}
	if !wait.Pause(ctx, length) {
		return ctx.Err()
	}
	for i, s := range all {
		s.idle = s.spent().minus(before[i]).times(1 / time.Since(began).Seconds())
		const perCent = 1e4 // one per cent of a core, in microseconds per second
		s.note(taskIdle, 1, s.idle.times(1/perCent), "%core")
	}
	return nil
}

// measure records the processor time of one request of a task. The idle time of the servers is subtracted.
func (s *costSetup) measure(ctx context.Context, t costTask) error {
	if t.prepare != nil {
		end, err := t.prepare(ctx, s)
		if err != nil {
			return err
		}
		defer end()
	}
	before, began := s.spent(), time.Now()
	count, err := t.run(ctx, s)
	if err != nil {
		return err
	}
	if count == 0 {
		return errors.New("the task sent no request")
	}
	took, all := time.Since(began), s.spent().minus(before)
	each := all.minus(s.idle.times(took.Seconds())).positive().times(1 / float64(count))
	s.note(t.name, count, each, "µs/op")
	fmt.Fprintf(os.Stderr, "%s: %s, %d in %s\n", s.mode, t.name, count, took.Round(time.Millisecond))
	return nil
}

// note records a cost.
func (s *costSetup) note(name string, count int, each spent, unit string) {
	var metrics []metric
	for _, part := range spentParts {
		metrics = append(metrics, metric{part.name + "-" + unit, *part.of(&each)})
	}
	s.line(costName(s.mode, name), count, metrics...)
}

func costName(mode, task string) string { return "Cost/" + mode + "/" + underscored(task) }
