package app

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"kasse/service/payment"
	"kasse/store"
)

const aboutRedis = "redis"

// Requirements of a server: versions, and memory use in per cent of its maxmemory.
const (
	oldestRedis = 7
	nearlyFull  = 80
	full        = 95
)

// kindOf maps REDIS_MODE to the mode that Redis reports.
var kindOf = map[string]string{"single": "standalone", "cluster": "cluster", "sentinel": "sentinel"}

// refusesUser reports whether Redis answered that the credentials are missing or wrong. A right that is missing is
// another answer: NOPERM.
func refusesUser(err error) bool {
	return strings.Contains(err.Error(), "WRONGPASS") || strings.Contains(err.Error(), "NOAUTH")
}

func (c *checkup) redis(ctx context.Context, a *App, account string) {
	kind, err := store.Kind(ctx, c.RedisMode, c.RedisURL.Reveal())
	if mismatch := c.tlsMismatch(ctx, err); mismatch != "" {
		c.report(levelWrong, aboutRedis, "%s", mismatch)
		return
	}
	if err != nil && refusesUser(err) {
		c.report(levelWrong, aboutRedis, "refuses the user or the password of REDIS_URL (%v): correct them", err)
		return
	}
	if err != nil {
		c.report(
			levelWrong, aboutRedis,
			"does not answer (%v): check REDIS_URL, that Redis runs, and that this machine can reach it", err,
		)
		return
	}
	if kind != kindOf[c.RedisMode] {
		c.report(
			levelWrong, aboutRedis,
			"REDIS_MODE is %s, but the server is a %s server: change REDIS_MODE, or point REDIS_URL at another server",
			c.RedisMode,
			kind,
		)
		return
	}
	servers, err := store.Inspect(ctx, c.RedisMode, c.RedisURL.Reveal())
	if err != nil {
		c.report(
			levelWrong, aboutRedis,
			"does not report its role (%v): give its user the command INFO; with sentinels, check master_name",
			err,
		)
		return
	}
	for i, s := range servers {
		c.server(s)
		if s.Replica && i == 0 && c.RedisMode != "cluster" {
			c.report(
				levelWrong, aboutRedis,
				"%s is a replica and accepts no writes: point REDIS_URL at the master, or use REDIS_MODE=sentinel", s,
			)
		}
	}
	c.durability(servers)
	c.rights(ctx)
	c.marks(ctx, a, account)
}

// tlsMismatch describes a TLS mismatch; empty without an error.
func (c *checkup) tlsMismatch(ctx context.Context, err error) string {
	if err == nil {
		return ""
	}
	return tlsMismatch(ctx, c.RedisURL.Reveal())
}

func (c *checkup) server(s store.Server) {
	if s.Unreachable {
		return // durability reports it
	}
	major, _, _ := strings.Cut(s.Version, ".")
	if n, err := strconv.Atoi(major); err != nil || n < oldestRedis {
		c.report(levelWrong, aboutRedis, "%s is version %s: %d.0 or later is needed", s, s.Version, oldestRedis)
	} else {
		c.report(levelOK, aboutRedis, "%s answers, version %s", s, s.Version)
	}
	c.redisClock(s)
	if s.ClusterState != "" && s.ClusterState != "ok" {
		c.report(
			levelWrong, aboutRedis,
			"%s reports that the cluster is down: make sure that every slot has a master (redis-cli --cluster check)",
			s,
		)
	}
	switch used := percent(s.Used, s.MaxBytes); {
	case used >= full:
		c.report(
			levelWrong, aboutRedis, "%s uses %d %% of maxmemory: raise it now, since a full Redis refuses payments",
			s, used,
		)
	case used >= nearlyFull:
		c.report(
			levelWarning, aboutRedis, "%s uses %d %% of maxmemory: raise it soon, since a full Redis refuses payments",
			s, used,
		)
	}
	c.replicas(s)
}

// replicas reports which writes a failover can lose with this REDIS_WAIT_REPLICAS. A replica that is away counts, since
// a failover may promote it once it is back.
func (c *checkup) replicas(s store.Server) {
	known := s.Replicas + s.Away
	if s.Away > 0 && !s.Replica {
		c.report(
			levelWarning, aboutRedis, "%s has %s, of which %d cannot confirm now (stopped, cut off or still copying): "+
				"start what is stopped; if you have removed it on purpose, run SENTINEL RESET or CLUSTER FORGET",
			s, quantity(known, "replica"), s.Away,
		)
	}
	switch {
	case s.Replica || known == 0 && c.RedisWaitReplicas == 0:
	case c.RedisWaitReplicas == 0:
		c.report(
			levelWarning, aboutRedis,
			"%s has %s, but REDIS_WAIT_REPLICAS is 0: a failover loses acknowledged writes that the promoted replica "+
				"had not received. REDIS_WAIT_REPLICAS=%d loses no acknowledged write",
			s, quantity(known, "replica"), known,
		)
	case known < c.RedisWaitReplicas:
		c.report(
			levelWrong, aboutRedis,
			"%s has %s, but REDIS_WAIT_REPLICAS is %d: nothing will be acknowledged. Add replicas, or lower it",
			s, quantity(known, "replica"), c.RedisWaitReplicas,
		)
	case s.Replicas < c.RedisWaitReplicas:
		c.report(
			levelWrong, aboutRedis,
			"%s has %s in sync, but REDIS_WAIT_REPLICAS is %d: nothing is acknowledged until the others are back",
			s, quantity(s.Replicas, "replica"), c.RedisWaitReplicas,
		)
	case known == c.RedisWaitReplicas:
		c.report(
			levelOK, aboutRedis,
			"%s has as many replicas as REDIS_WAIT_REPLICAS, %d: no failover loses an acknowledged write. While one "+
				"replica is unavailable, nothing is acknowledged",
			s, known,
		)
	default:
		c.report(
			levelWarning, aboutRedis,
			"%s has %s, and REDIS_WAIT_REPLICAS is %d: a failover may promote a replica that did not confirm, and "+
				"then loses acknowledged payments until the catch-up finds them at Stripe, within five minutes. "+
				"REDIS_WAIT_REPLICAS=%d loses none, but acknowledges nothing while a replica is unavailable",
			s, quantity(known, "replica"), c.RedisWaitReplicas, known,
		)
	}
}

// redisClock compares the server's clock with this machine's. Redis's clock dates versions, leases and
// limits; this machine's dates tokens.
func (c *checkup) redisClock(s store.Server) {
	where := "ahead of"
	if s.Ahead < 0 {
		where = "behind"
	}
	switch {
	case s.Ahead.Abs() > skewWrong:
		c.report(levelWrong, aboutRedis, "the clock of %s is %s %s this machine's: newer prices in tokens that a "+
			"backend signs would be ignored; synchronize both clocks by NTP",
			s, s.Ahead.Abs().Round(time.Second), where)
	case s.Ahead.Abs() > skewOdd:
		c.report(
			levelWarning, aboutRedis, "the clock of %s is %s %s this machine's: synchronize both clocks by NTP", s,
			s.Ahead.Abs().Round(time.Second), where,
		)
	}
}

// percent returns used in per cent of most; 0 without a limit.
func percent(used, most int64) int64 {
	if most == 0 {
		return 0
	}
	return used * 100 / most
}

// noEviction is the only maxmemory policy with which Redis keeps all data.
const noEviction = "noeviction"

// durability reports what Redis may lose. A loss of recent writes at a crash is wrong only if
// REDIS_DURABILITY requires more. An eviction policy that removes payments is always wrong.
func (c *checkup) durability(servers []store.Server) {
	servers = slices.Clone(servers)
	for i, s := range servers {
		if !s.Unreachable && s.Eviction != "" && s.Eviction != noEviction {
			c.report(levelWrong, aboutRedis, "%s deletes payments when its memory is full (maxmemory-policy %s): "+
				"set maxmemory-policy %s",
				s, s.Eviction, noEviction)
			servers[i].Eviction = noEviction // reported once
		}
	}
	d := store.DurabilityOf(servers, c.RedisWaitReplicas)
	c.report(levelOK, "durability", "class %q: may lose %s", d.Class, d.Loses)
	level := map[string]string{"require": levelWrong, "warn": levelWarning, "off": levelOK}[c.RedisDurability]
	for _, flaw := range d.Flaws {
		c.report(level, "durability", "%s", flaw)
	}
}

// rights checks whether Redis's ACL permits every key, channel and command that Kasse needs.
func (c *checkup) rights(ctx context.Context) {
	missing, err := store.MissingRights(ctx, c.RedisMode, c.RedisURL.Reveal(), c.RedisPartitions)
	for _, m := range missing {
		where := ""
		if m.Server != "" {
			where = " on " + m.Server
		}
		c.report(
			levelWrong, aboutRedis, "its user lacks the right to use %s%s: give it the rights of docs/redis-acl.md",
			m.Right, where,
		)
	}
	if err != nil {
		c.report(levelWarning, aboutRedis, "the rights of its user could not be checked: %v", err)
	}
}

// marks checks whether this Redis belongs to this service and account.
func (c *checkup) marks(ctx context.Context, a *App, account string) {
	id := a.identity()
	id.Account = account
	recorded, err := a.store.Check(ctx, id)
	var away *payment.Error
	switch {
	case errors.Is(err, store.ErrUnmarked):
		c.report(
			levelWarning, aboutRedis,
			"is not initialised: kasse serve initialises it if Stripe has no payment of %q. Otherwise run kasse "+
				"rebuild, or kasse init to ignore these payments",
			c.ServiceName,
		)
	case errors.As(err, &away):
		c.report(levelWrong, aboutRedis, "stopped answering (%v)", err)
	case err != nil:
		c.report(levelWrong, aboutRedis, "%v", a.explain(err))
	case recorded == "":
		c.report(levelOK, aboutRedis, "is initialised; the Stripe account is not recorded yet")
	default:
		c.report(levelOK, aboutRedis, "is initialised for Stripe account %s", recorded)
	}
}
