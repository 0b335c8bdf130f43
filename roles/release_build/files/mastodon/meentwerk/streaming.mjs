// Loaded before upstream's streaming server: node --import ./meentwerk/streaming.mjs streaming/index.js

import process from 'node:process';

import { hasSocket, install } from './sockets.mjs';

install(hasSocket(process.env, process.pid));
