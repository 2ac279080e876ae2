// One copy of the library, however it is loaded. With two, decorators of one would be unknown to the server of the
// other.
const required = require('nestjs-aggregate-transport');

import('nestjs-aggregate-transport').then((imported) => {
  if (required.AggregateServer !== imported.AggregateServer)
    throw new Error('require and import give two copies');
});
