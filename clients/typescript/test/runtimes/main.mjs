// For runtimes with a command line.
import { pay } from './pay.mjs';

console.log(await pay(process.argv[2], process.argv[3]));
