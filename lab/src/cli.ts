/** `pnpm lab up | down | status | exec | kubectl | ...` */
import { program } from "./host/program.ts";

await program.parseAsync();
