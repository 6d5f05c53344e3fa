import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { fixture, fixtureNames, NO_SHARED } from "../../test/shared-fixtures.ts";
import { TextError } from "../errors.ts";
import { JinjaTemplate } from "./jinja.ts";

function render(source: string, variables: Record<string, unknown> = {}): string {
  return new JinjaTemplate(source).render(variables);
}

describe("template goldens", () => {
  const templates = fixtureNames("chat").filter((name) => name.endsWith(".jinja"));

  it("are there", (t) => {
    if (templates.length === 0) return t.skip(NO_SHARED);
    expect(templates.length).toBeGreaterThanOrEqual(5);
  });

  for (const file of templates) {
    const name = file.replace(".jinja", "");
    it(`${name} gives exactly the text that Jinja2 gives, and refuses what it refuses`, () => {
      const { variables } = JSON.parse(readFileSync(fixture("chat", "info.json")!, "utf8"));
      const template = new JinjaTemplate(readFileSync(fixture("chat", file)!, "utf8"));
      const lines = readFileSync(fixture("chat", `${name}.jsonl`)!, "utf8")
        .trim()
        .split("\n");
      expect(lines.length).toBeGreaterThan(0);
      for (const line of lines) {
        const record = JSON.parse(line);
        const result = () => template.render({ ...variables, messages: record.messages, ...record.kwargs });
        if (record.error === undefined) expect(result(), record.name).toBe(record.rendered);
        else expect(result, record.name).toThrow(TextError);
      }
    });
  }
});

describe("JinjaTemplate", () => {
  // The values are those of Jinja2 3.1.6 with the environment of transformers.utils.chat_template_utils.
  it("writes JSON as Python does, without escaping", () => {
    const value = { a: [1, 2.5, true, null], "ü<&>'": 'x"\n\u001f漢' };
    expect(render("{{ value | tojson }}", { value })).toBe('{"a": [1, 2.5, true, null], "ü<&>\'": "x\\"\\n\\u001f漢"}');
    expect(render("{{ value | tojson(indent=2) }}", { value: { a: [1] } })).toBe('{\n  "a": [\n    1\n  ]\n}');
  });

  it("trims blocks and knows loop controls", () => {
    const source =
      "{% for i in range(9) %}\n  {% if i == 1 %}\n    {% continue %}\n  {% endif %}\n  {% if i == 3 %}{% break %}{% endif %}\n{{ i }}\n{% endfor %}\nend";
    expect(render(source)).toBe("0\n2\nend");
  });

  it("strips what Python's str.strip strips", () => {
    expect(render("{{ x.strip() }}|{{ x | trim }}", { x: "\u0085\u001c\u3000 a\ufeff\n" })).toBe("a\ufeff|a\ufeff");
    expect(render("{{ x.strip('\\n') }}|{{ x.lstrip('\\n') }}|{{ x.rstrip('\\n') }}", { x: "\n a \n" })).toBe(
      " a | a \n|\n a ",
    );
    expect(render("{{ x.split('</think>')[-1].lstrip('\\n') }}", { x: "a</think>\n\n b" })).toBe(" b");
  });

  it("ranges as Python", () => {
    expect(
      render("{{ range(3)|join(',') }};{{ range(1,4)|join(',') }};{{ range(5,0,-2)|join(',') }};{{ range(2,1)|join }}"),
    ).toBe("0,1,2;1,2,3;5,3,1;");
  });

  it("formats the date as Python's C locale", () => {
    const now = new Date();
    const month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][now.getMonth()];
    expect(render("{{ strftime_now('%d %b %Y %%') }}")).toBe(
      `${String(now.getDate()).padStart(2, "0")} ${month} ${now.getFullYear()} %`,
    );
  });

  it("raise_exception gives its message", () => {
    expect(() => render("{{ raise_exception('roles must alternate') }}")).toThrow(
      new TextError("chat template: roles must alternate"),
    );
  });

  const refused: [string, string, Record<string, unknown>, RegExp][] = [
    ["text plus none", "{{ 'a' + x }}", { x: null }, /cannot add .*string.*none/],
    ["text plus a list", "{{ 'a' + x }}", { x: [{ type: "text" }] }, /cannot add/],
    ["text plus a number", "{{ 'a' + x }}", { x: 1 }, /cannot add/],
    ["text plus what is not there", "{{ 'a' + x.y }}", { x: {} }, /cannot add .*undefined/],
    ["a field of what is not there", "{{ x.y.z }}", { x: {} }, /'y' is undefined/],
    ["an item of what is not there", "{{ x[0] }}", {}, /'x' is undefined/],
    ["an unknown filter", "{{ 'a' | from_json }}", {}, /from_json/],
    ["a call of what is no function", "{{ x() }}", { x: 1 }, /not a function/],
    ["strip of a number", "{{ x.strip() }}", { x: 1 }, /has no strip/],
    ["a range without end", "{{ range(10000000) }}", {}, /the limit is 100000/],
    ["a step of zero", "{{ range(1, 2, 0) }}", {}, /range\(\)/],
  ];
  for (const [what, source, variables, message] of refused)
    it(`refuses ${what}`, () => {
      expect(() => render(source, variables)).toThrow(TextError);
      expect(() => render(source, variables)).toThrow(message);
    });

  it("refuses what is not a template", () => {
    for (const source of [
      "{% if %}",
      "{{ 'a }}",
      "{% for %}",
      "{{",
      "x".repeat(300_000),
      `{{ ${"(".repeat(20_000)} }}`,
    ])
      expect(() => new JinjaTemplate(source), source.slice(0, 20)).toThrow(TextError);
  });
});

describe("a hostile template", () => {
  const objects = { text: "abc", list: [1], map: { a: 1 }, number: 1, flag: true };

  it("reaches no JavaScript object or prototype", () => {
    for (const name of [...Object.keys(objects), "range", "raise_exception", "namespace", "messages"])
      for (const property of [
        "constructor",
        "__proto__",
        "prototype",
        "__class__",
        "__globals__",
        "toString",
        "valueOf",
        "call",
      ])
        for (const access of [
          `${name}.${property}`,
          `${name}['${property}']`,
          `(${name})|map(attribute='${property}')|list`,
        ]) {
          const result = (() => {
            try {
              return render(`{{ ${access} is defined }}{{ ${access} }}`, { ...objects, messages: [{ a: 1 }] });
            } catch (error) {
              expect(error).toBeInstanceOf(TextError);
              return "";
            }
          })();
          expect(["", "false"], access).toContain(result.replaceAll(/\[(?:null|undefined|, )*\]|true/g, ""));
        }
    expect(() => render("{{ range.constructor('return process')() }}")).toThrow(TextError);
    expect(() => render("{{ ''.__class__.__mro__ }}")).toThrow(TextError);
    expect(() => render("{{ cycler.__init__.__globals__.os }}")).toThrow(TextError);
  });

  it("sees keys named like prototypes as plain keys, and changes nothing outside", () => {
    const variables = JSON.parse('{"x": {"__proto__": {"polluted": 1}, "constructor": "c"}}');
    expect(render("{{ x.constructor }} {{ x['__proto__'].polluted }}", variables)).toBe("c 1");
    expect(render("{% set ns = namespace() %}{% set ns.__proto__ = 1 %}{{ ns.__proto__ }}")).toBe("1");
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  it("stops after a number of steps, be they loops without a body", () => {
    const loop = "{% for a in range(999) %}{% for b in range(999) %}{% endfor %}{% endfor %}";
    const spin = `{% macro m() %}{% for i in range(999) %}{{ i }}{% endfor %}{% endmacro %}${"{{ m() }}".repeat(99)}`;
    for (const source of [loop, spin])
      expect(() => new JinjaTemplate(source, 10_000).render({})).toThrow(/stopped after 10000 steps/);
  });

  it("cannot grow text without end", () => {
    const double = `{% set ns = namespace(x='0123456789') %}{% for i in range(40) %}{% set ns.x = ns.x + ns.x %}{% endfor %}{{ ns.x }}`;
    expect(() => render(double)).toThrow(/characters of output/);
  });

  it("cannot recurse without end", () => {
    expect(() => render("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}")).toThrow(TextError);
  });
});
