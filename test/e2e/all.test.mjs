// One process and one browser for all tests.
import './methods.test.mjs';
import './once.test.mjs';
import './trouble.test.mjs';
import './look.test.mjs';
import './console.test.mjs';
import './readme.test.mjs';
