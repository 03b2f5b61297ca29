// Runs the checks of ioredis and node-redis.
'use strict';
const { main } = require('../harness');

main([...require('./ioredis'), ...require('./node_redis')]);
