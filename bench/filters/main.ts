// Run as `npm run bench:filters [-- redis://HOST:PORT]`: what every filter costs a call, alone and together, and after it
// what each of those costs that have more to do: finding out who calls, rules, limits. Prints Markdown.

for (const part of ["each", "authn", "rules", "limits"] as const) {
  console.log(`\n## ${part}\n`);
  await import(`./${part}.js`);
}

export {};
