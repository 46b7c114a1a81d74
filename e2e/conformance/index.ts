// What `backhaul/conformance` exports: the suite for people who write an adapter of their own. See README.md.

export { busy } from '../engine/virtual-time.js';
export { type FaultName, faultNames } from './faults.js';
export { printFailure, printSeeds, printTable } from './report.js';
export { runSeeds, type SeedOptions, type SeedReport } from './seeds.js';
export type { RunningServer, Subject } from './subject.js';
export { type Cell, type Failure, type RowName, rowNames, runTable, type TableOptions } from './table.js';
