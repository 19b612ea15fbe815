export { type Admin, type AdminOptions, startAdmin } from "./server.ts";
