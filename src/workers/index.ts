export { startWorkers } from "./primary.ts";
export { primaryLink } from "./primary-link.ts";
export { type PrimaryLink, runWorker } from "./worker.ts";
export { workerCount } from "./worker-count.ts";
