// All tests, in one process and with one browser.
import './methods.test.mjs';
import './elsewhere.test.mjs';
import './once.test.mjs';
import './trouble.test.mjs';
import './look.test.mjs';
import './console.test.mjs';
import './readme.test.mjs';
