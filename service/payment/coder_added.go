package payment

import (
	"encoding/binary"
	"fmt"
)

// Added are the fields that a newer program has stored in a group, in a stored form of their own. They are written
// again as they were.
type Added string

// maxLevels bounds how deep groups may lie in each other.
const maxLevels = 16

// readAdded reads all fields up to the end of the group, which is left.
func (c *coder) readAdded() Added {
	var own coder
	c.copyFields(&own, 0)
	return Added(own.buf)
}

func (a Added) write(c *coder) {
	if a == "" {
		return
	}
	own := coder{reading: true, buf: append([]byte(a), 0)}
	own.copyFields(c, 0)
}

// copyFields copies all fields up to the end of the group, which is left, in the form of another coder.
func (c *coder) copyFields(to *coder, level int) {
	for c.err == nil {
		tag, w, size := c.peek()
		if c.err != nil || tag == 0 {
			return
		}
		c.buf = c.buf[size:]
		to.key(tag, w)
		switch w {
		case wireYes:
		case wireNumber:
			to.buf = binary.AppendVarint(to.buf, c.varint())
		case wireSeconds, wireMillis:
			from, last := c.last(w), to.last(w)
			*from += c.varint()
			to.buf = binary.AppendVarint(to.buf, *from-*last)
			*last = *from
		case wireText:
			to.writeText(c.readText())
		case wireGroup:
			if level == maxLevels {
				c.fail(errTooDeep)
				return
			}
			c.copyFields(to, level+1)
			c.bytes(1)
			to.buf = append(to.buf, 0)
		default:
			c.fail(fmt.Errorf("field %d of the stored form has an unknown type", tag))
		}
	}
}
