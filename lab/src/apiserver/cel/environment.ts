import { Environment } from "@marcbachmann/cel-js";
import { addListFunctions } from "./lists.ts";
import { addNetworkFunctions } from "./network.ts";
import { addQuantityFunctions } from "./quantity.ts";
import { addTextFunctions } from "./text.ts";

/** CEL with the libraries a Kubernetes API server adds. Clone it to declare variables. */
export const kubernetesCel: Environment = (() => {
  const environment = new Environment({ enableOptionalTypes: true, homogeneousAggregateLiterals: false });
  addListFunctions(environment);
  addTextFunctions(environment);
  addNetworkFunctions(environment);
  addQuantityFunctions(environment);
  return environment;
})();
