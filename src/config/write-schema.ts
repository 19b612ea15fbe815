import { writeFileSync } from "node:fs";
import path from "node:path";
import { configJsonSchema } from "./json-schema.ts";

// Run by `npm run config:schema`: writes the JSON Schema for editors into the working folder.
writeFileSync(path.resolve("gateway.schema.json"), `${JSON.stringify(configJsonSchema(), null, 2)}\n`);
