import type { Strategy } from "../kinds/resource.ts";
import { type FieldError, fieldError } from "../status.ts";
import { compilePolicy } from "./policy.ts";

/** What a ValidatingAdmissionPolicy must be to be accepted: all its expressions compile. */
export const admissionPolicyStrategy: Strategy = {
  validate(policy) {
    const errors: FieldError[] = [];
    compilePolicy(policy, (field, expression, why) =>
      errors.push(fieldError.invalid(field, expression, `compilation failed: ${why}`)),
    );
    return errors;
  },
};
