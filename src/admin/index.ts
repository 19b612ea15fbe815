export { type ActionOutcome, type Admin, type AdminOptions, startAdmin } from "./server.ts";
