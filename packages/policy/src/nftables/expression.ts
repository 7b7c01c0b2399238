import { type Field, fields } from "../ruleset/field.ts";
import type { Rule, Statement, Verdict } from "../ruleset/ruleset.ts";
import { concatenation, host32, keyBytes, u16 } from "../ruleset/value.ts";
import type { AttributeWriter } from "./attribute.ts";
import { attribute, comparisons, family, verdicts } from "./constants.ts";

/** Registers: 0 holds the verdict, 1 to 4 are 16 bytes each, 8 to 23 are the same memory in steps of 4 bytes. */
const verdictRegister = 0;
const register1 = 1;
const register32 = 8;

/** Writes the expressions of a rule, each with every attribute the kernel reports back. */
export function writeRule(out: AttributeWriter, rule: Rule): void {
  for (const statement of rule) writeStatement(out, statement);
}

/** Writes a verdict as data, for rules and for elements of verdict maps. */
export function writeVerdict(out: AttributeWriter, verdict: Verdict): void {
  out.nest(attribute.data.verdict, () => {
    out.u32(attribute.verdict.code, verdicts[verdict.verdict]);
    if ("chain" in verdict) out.text(attribute.verdict.chain, verdict.chain);
  });
}

function writeStatement(out: AttributeWriter, statement: Statement): void {
  switch (statement.is) {
    case "match":
      load(out, statement.field, register1);
      compare(out, statement.op, statement.value);
      break;
    case "mask":
      load(out, statement.field, register1);
      bitwise(out, statement.mask, "0".repeat(statement.mask.length));
      compare(out, statement.op, statement.value);
      break;
    case "range":
      load(out, statement.field, register1);
      expression(out, "range", () => {
        out.u32(1, register1);
        out.u32(2, statement.not ? 1 : 0);
        value(out, 3, statement.from);
        value(out, 4, statement.to);
      });
      break;
    case "lookup":
      loadKey(out, statement.fields);
      expression(out, "lookup", () => {
        out.text(1, statement.set);
        out.u32(2, register1);
        out.u32(5, statement.not ? 1 : 0);
      });
      break;
    case "dispatch":
      loadKey(out, statement.fields);
      expression(out, "lookup", () => {
        out.text(1, statement.map);
        out.u32(2, register1);
        out.u32(3, verdictRegister);
        out.u32(5, 0);
      });
      break;
    case "mark":
      load(out, "mark", register1);
      bitwise(out, host32(~statement.mask), host32(statement.value));
      expression(out, "meta", () => {
        out.u32(2, fields.mark.load.from === "meta" ? fields.mark.load.key : 0);
        out.u32(3, register1);
      });
      break;
    case "log":
      expression(out, "log", () => {
        out.text(2, statement.prefix);
        out.u32(5, 5);
        out.u32(6, 0);
      });
      break;
    case "limit":
      expression(out, "limit", () => {
        out.u64(1, BigInt(statement.perSecond));
        out.u64(2, 1n);
        out.u32(3, statement.burst);
        out.u32(4, 0);
        out.u32(5, 0);
      });
      break;
    case "reject":
      expression(out, "reject", () => {
        out.u32(1, 2);
        out.u8(2, 3);
      });
      break;
    case "notrack":
      expression(out, "notrack", () => {});
      break;
    case "masquerade": {
      const { ports } = statement;
      if (ports) loadPorts(out, ports);
      expression(out, "masq", () => {
        out.u32(1, ports ? portsGiven : 0);
        if (ports) portRegisters(out, 2);
      });
      break;
    }
    case "snat": {
      const { ports } = statement;
      immediate(out, register1, statement.address);
      if (ports) loadPorts(out, ports);
      expression(out, "nat", () => {
        out.u32(1, 0);
        out.u32(2, statement.family === 4 ? family.ipv4 : family.ipv6);
        out.u32(3, register1);
        out.u32(4, register1);
        if (ports) portRegisters(out, 5);
        out.u32(7, ports ? addressGiven | portsGiven : addressGiven);
      });
      break;
    }
    case "verdict":
      expression(out, "immediate", () => {
        out.u32(1, verdictRegister);
        out.nest(2, () => writeVerdict(out, statement));
      });
      break;
  }
}

/** Flags of linux/netfilter/nf_nat.h. */
const addressGiven = 1;
const portsGiven = 2;

function expression(out: AttributeWriter, name: string, content: () => void): void {
  out.nest(attribute.list.item, () => {
    out.text(attribute.expression.name, name);
    out.nest(attribute.expression.data, content);
  });
}

function load(out: AttributeWriter, field: Field, register: number): void {
  const { load: source, bytes } = fields[field];
  switch (source.from) {
    case "meta":
    case "ct":
      expression(out, source.from, () => {
        out.u32(2, source.key);
        out.u32(1, register);
      });
      break;
    case "payload":
      expression(out, "payload", () => {
        out.u32(1, register);
        out.u32(2, source.base);
        out.u32(3, source.offset);
        out.u32(4, bytes);
      });
      break;
  }
}

/** Several fields lie one after the other, each beginning at a register of four bytes. */
function loadKey(out: AttributeWriter, key: readonly Field[]): void {
  let offset = 0;
  for (const field of key) {
    load(out, field, offset === 0 ? register1 : register32 + offset / 4);
    offset += keyBytes([field, field]) / 2;
  }
}

function compare(out: AttributeWriter, op: keyof typeof comparisons, hex: string): void {
  expression(out, "cmp", () => {
    out.u32(1, register1);
    out.u32(2, comparisons[op]);
    value(out, 3, hex);
  });
}

function bitwise(out: AttributeWriter, mask: string, xor: string): void {
  expression(out, "bitwise", () => {
    out.u32(1, register1);
    out.u32(2, register1);
    out.u32(3, mask.length / 2);
    value(out, 4, mask);
    value(out, 5, xor);
    out.u32(6, 0);
  });
}

function immediate(out: AttributeWriter, register: number, hex: string): void {
  expression(out, "immediate", () => {
    out.u32(1, register);
    value(out, 2, hex);
  });
}

/** Ports go to the third and fourth 16-byte register, past any address. */
function loadPorts(out: AttributeWriter, [first, last]: readonly [number, number]): void {
  immediate(out, 3, concatenation([u16(first)]));
  immediate(out, 4, concatenation([u16(last)]));
}

function portRegisters(out: AttributeWriter, attributeOfFirst: number): void {
  out.u32(attributeOfFirst, 3);
  out.u32(attributeOfFirst + 1, 4);
}

function value(out: AttributeWriter, type: number, hex: string): void {
  out.nest(type, () => out.hex(attribute.data.value, hex));
}
