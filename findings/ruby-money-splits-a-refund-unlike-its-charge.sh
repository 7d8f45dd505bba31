#!/bin/sh
# ruby-money splits a refund differently from the charge that it refunds
#
# Guess:      the shares of -1.00 are those of 1.00 with the other sign, so that a charge and its
#             refund leave 0.00 on each line.
# Behaviour:  for a positive amount the first shares get the cents that are left over, for a
#             negative amount the last ones. The lines add up to 0.01, 0.00 and -0.01. dinero.js
#             2.0.2 splits both in the same way.
# Versions:   ruby-money 6.16.0-1 (Debian 12), with ruby and ruby-i18n; npm dinero.js 2.0.2, with
#             node.
# Matters:    an order that was refunded in full still shows a cent on one line, and minus one cent
#             on another. A check of the lines raises an alarm; a check of the sum does not.

. "$(dirname "$0")/lib/start.sh"
need ruby apt-get dpkg-deb
for package in ruby-money=6.16.0-1 ruby-i18n ruby-concurrent; do
	apt-get download -qq "$package" >apt.log 2>&1 || { cat apt.log; exit 2; }
done
for file in *.deb; do dpkg-deb -x "$file" root; done
npm_packages dinero.js@2.0.2
cat >split.rb <<'END'
require 'money'

Money.rounding_mode = BigDecimal::ROUND_HALF_UP
charge = Money.new(100, 'EUR').split(3).map(&:cents)
refund = Money.new(-100, 'EUR').split(3).map(&:cents)
puts "ruby-money: #{charge.join(' ')} and #{refund.join(' ')}, together #{charge.zip(refund).map(&:sum).join(' ')}"
END
cat >split.mjs <<'END'
import { allocate, dinero, toSnapshot } from 'dinero.js';
import { EUR } from 'dinero.js/currencies';

const split = (amount) => allocate(dinero({ amount, currency: EUR }), [1, 1, 1]);
const cents = (amount) => split(amount).map((share) => toSnapshot(share).amount);
console.log('dinero.js:', ...cents(100), 'and', ...cents(-100));
END
RUBYLIB=$(printf '%s:' "$work"/root/usr/share/rubygems-integration/all/gems/*/lib "$work/root/usr/lib/ruby/vendor_ruby")
RUBYLIB=$RUBYLIB ruby split.rb >seen 2>ruby.log || { cat ruby.log; exit 2; }
node split.mjs >>seen
compare <<'END'
ruby-money: 34 33 33 and -33 -33 -34, together 1 0 -1
dinero.js: 34 33 33 and -34 -33 -33
END
