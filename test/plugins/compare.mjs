// Runs each history on Kasse and the simulator, and delivers its events to every plug-in.
import { createServer } from 'node:http';
import { histories } from './histories.mjs';
import { startSim } from './sim.mjs';
import { startConvex } from './convex.mjs';
import { startMedusa } from './medusa.mjs';
import { startSyncEngine } from './sync.mjs';
import { startVendure } from './vendure.mjs';

const arrived = [];
const receiver = createServer((request, response) => {
  let body = '';
  request.on('data', (part) => (body += part)).on('end', () => {
    arrived.push(JSON.parse(body));
    response.end();
  });
});
await new Promise((listening) => receiver.listen(0, '127.0.0.1', listening));

const sim = await startSim(`http://127.0.0.1:${receiver.address().port}/`);
const plugins = [await startMedusa(), await startVendure(), await startSyncEngine(), await startConvex()];

console.log(`| history | Kasse | ${plugins.map((plugin) => plugin.name).join(' | ')} |`);
console.log(`|---|---|${'---|'.repeat(plugins.length)}`);
for (const [index, history] of histories.entries()) {
  arrived.length = 0;
  const order = `plugins-${index}`;
  const payment = await sim.open(order, history);
  for (const step of history.steps) {
    await sim.later();
    await sim[step[0]](payment, ...step.slice(1));
    await sim.drain();
  }
  const events = arrived.filter((event) => JSON.stringify(event).includes(payment));
  if (history.again) events.push(events.find((event) => event.type === history.again));
  if (history.again) await sim.deliverAgain(events.at(-1));
  const cells = [await sim.view(order)];
  for (const plugin of plugins) {
    const refused = new Set();
    await plugin.open?.(order, history);
    for (const event of events) {
      const status = await plugin.deliver(structuredClone(event), order);
      if (status > 299) refused.add(`${status} for ${event.type.replace(/^charge\.dispute\..*/, 'charge.dispute.*')}`);
    }
    cells.push([await plugin.state(payment, order), ...refused].join('; '));
  }
  console.log(`| ${history.name} | ${cells.join(' | ')} |`);
}
process.exit(0);
