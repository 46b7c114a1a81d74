// The pure core's tests alone, for the mutation check.
import { defineConfig } from 'vitest/config';

export default defineConfig({ test: { include: ['sw/core/*.test.ts'], environment: 'node' } });
