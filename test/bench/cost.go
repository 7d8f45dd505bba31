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
	modes    []string // of Redis; the first is the one to which the others are compared
	replicas int      // of each master
	confirm  int      // REDIS_WAIT_REPLICAS, where there are replicas; -1: all of them
	fsync    string   // appendfsync of all servers
	tasks    *regexp.Regexp
}

// costFlags declares the flags of the scenario cost.
func costFlags(flags *flag.FlagSet) *costOptions {
	o := &costOptions{modes: testenv.RedisModes, tasks: regexp.MustCompile("")}
	flags.Func("tasks", "of cost: regexp of kinds of requests; one about payments that another opens needs both",
		func(text string) (err error) {
			o.tasks, err = regexp.Compile(text)
			return err
		})
	flags.Func("redis", "of cost: setups of Redis, the one to compare with first (single,sentinel,cluster)",
		func(text string) (err error) {
			o.modes, err = parseModes(text)
			return err
		})
	flags.IntVar(&o.replicas, "replicas", 1, "of cost: replicas of each master, but for a single server")
	flags.IntVar(&o.confirm, "confirm", -1, "of cost: REDIS_WAIT_REPLICAS, where there are replicas; -1: all of them")
	flags.StringVar(&o.fsync, "appendfsync", "always", "of cost: appendfsync of all redis-servers")
	return o
}

// parseModes reads setups of Redis, separated by commas.
func parseModes(text string) ([]string, error) {
	modes := strings.Split(text, ",")
	for _, mode := range modes {
		if !slices.Contains(testenv.RedisModes, mode) {
			return nil, fmt.Errorf("%q is no setup of Redis: %s", mode, strings.Join(testenv.RedisModes, ", "))
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

// costPart is a group of tasks with settings of the server.
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

// chosenTasks are those of all parts.
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

// beginAll starts a server in each setup, in place of the one before.
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

// measureIdle measures what all servers spend while nothing happens.
func measureIdle(ctx context.Context, all []*costSetup) error {
	length := 2 * all[0].length
	if !wait.Pause(ctx, length) { // the first passes in the background are over
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
		const perCent = 1e4 // of a core, in microseconds a second
		s.note(taskIdle, 1, s.idle.times(1/perCent), "%core")
	}
	return nil
}

// measure records what one request of a task costs, without what the servers spend while nothing happens.
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
		return errors.New("nothing was measured")
	}
	took, all := time.Since(began), s.spent().minus(before)
	each := all.minus(s.idle.times(took.Seconds())).positive().times(1 / float64(count))
	s.note(t.name, count, each, "µs/op")
	fmt.Fprintf(os.Stderr, "%s: %s, %d in %s\n", s.mode, t.name, count, took.Round(time.Millisecond))
	return nil
}

// note records what something costs.
func (s *costSetup) note(name string, count int, each spent, unit string) {
	var metrics []metric
	for _, part := range spentParts {
		metrics = append(metrics, metric{part.name + "-" + unit, *part.of(&each)})
	}
	s.line(costName(s.mode, name), count, metrics...)
}

func costName(mode, task string) string { return "Cost/" + mode + "/" + underlined(task) }
