#!/bin/sh
# money-math computes the tax of a negative amount up to two cents too low
#
# Guess (28 November, C 44): percent, mul and div of a negative amount are the mirror of the positive.
# Behaviour:  a negative result that has to be rounded is one or two cents too close to zero: -0.199
#             becomes -0.18. The README names negative amounts such as "-42.10" as valid, and states that
#             results are rounded to the whole cent.
# Versions:   money-math 2.6.3 (npm).
# Matters:    a credit note returns less tax than its invoice charged: 19 % of 19.99 are 3.80, and of
#             -19.99 they are -3.79. It differs for 99 of 100 amounts.

. "$(dirname "$0")/lib/start.sh"
npm_packages money-math@2.6.3
cat >tax.cjs <<'END'
const money = require('money-math');

const show = (name, ...parameters) => {
  const [first, second] = parameters;
  const negative = money[name](`-${first}`, second);
  console.log(`${name} ${first}, ${second}: ${money[name](first, second)}, of -${first}: ${negative}`);
};
show('percent', '100.00', '19.00');
show('percent', '19.99', '19.00');
show('percent', '0.50', '19.00');
show('mul', '1.99', '0.10');
show('div', '2.00', '3.00');
let differ = 0;
for (let cents = 1; cents <= 10000; cents++) {
  const amount = (cents / 100).toFixed(2);
  if (money.add(money.percent(amount, '19.00'), money.percent(`-${amount}`, '19.00')) !== '0.00') differ++;
}
console.log(`19 % of 0.01 to 100.00 and of their negatives: ${differ} of 10000 do not add up to 0.00`);
END
node tax.cjs >seen
compare <<'END'
percent 100.00, 19.00: 19.00, of -100.00: -19.00
percent 19.99, 19.00: 3.80, of -19.99: -3.79
percent 0.50, 19.00: 0.10, of -0.50: -0.08
mul 1.99, 0.10: 0.20, of -1.99: -0.18
div 2.00, 3.00: 0.67, of -2.00: -0.65
19 % of 0.01 to 100.00 and of their negatives: 9900 of 10000 do not add up to 0.00
END
