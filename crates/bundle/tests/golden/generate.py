"""Writes conversations as transformers renders them by chat templates, and their ids, with names of special tokens in
messages read as text.

    pip install -r requirements.txt && python generate.py OUT_DIR
"""

import json
import sys
from datetime import datetime
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast
from transformers.utils import chat_template_utils

TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
MARKS = ["<|turn|>", "<|end|>", "[INST]", "[/INST]"]


class Clock(datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime(2024, 2, 29, 12, 34, 56)


chat_template_utils.datetime = Clock


def tokenizer(metaspace: bool) -> PreTrainedTokenizerFast:
    """Characters, as byte-level BPE without merges or as SentencePiece's, which begins a text with a space."""
    names = [*TOKENS.values(), *MARKS]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    if metaspace:
        letters = ["▁", *(f"<0x{byte:02X}>" for byte in range(256)), *map(chr, range(33, 127))]
    vocab = {token: number for number, token in enumerate(names + [x for x in letters if x not in names])}
    inner = Tokenizer(models.BPE(vocab, [], unk_token="<unk>", byte_fallback=metaspace, fuse_unk=True))
    if metaspace:
        inner.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
        inner.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse(), decoders.Replace("▁", " ")])
    else:
        inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        inner.decoder = decoders.ByteLevel()
    inner.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in names])
    return PreTrainedTokenizerFast(tokenizer_object=inner, **TOKENS)


U, A, S = "user", "assistant", "system"


def chat(*turns: tuple) -> list:
    return [{"role": role, "content": content} for role, content in turns]


PLAIN = [
    chat((U, "What is in the box?")),
    chat((S, "Answer in one word."), (U, "What is in the box?")),
    chat((U, " two\nlines \n"), (A, "Yes.  "), (U, "Größe 東京 🙂 \"quoted\" <b> & 'c'")),
    chat((S, "  Be brief.\n"), (U, "a"), (A, "b"), (U, "c"), (A, "d"), (U, "e")),
    chat((U, "a"), (A, "an end")),
    chat((U, "")),
]
ODD = [chat((A, "first")), chat((U, "a"), (U, "b")), chat((U, "a"), ("narrator", "b"))]

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "Tells the weather of \"a place\" <now> é",
            "parameters": {
                "type": "object",
                "properties": {
                    "place": {"type": "string", "description": "Where"},
                    "days": {"type": ["integer", "null"], "minimum": 1, "maximum": 2.5e20},
                    "units": {"type": "array", "items": {"type": "string", "enum": ["c", "f"]}},
                },
                "required": ["place"],
            },
        },
    }
]
CALLS = chat((S, "Use tools."), (U, "Rain?")) + [
    {"role": A, "content": "", "tool_calls": [{"function": {"name": "weather", "arguments": {"place": "Köln", "days": 2, "x": None}}}]},
    {"role": "tool", "name": "weather", "content": '{"rain": true}'},
    {"role": A, "content": "Yes.", "reasoning": "It says so."},
    {"role": U, "content": "Tomorrow?"},
]
THOUGHTS = chat((U, "1+1?"), (A, "<think>\neasy\n</think>\n\n2"), (U, "2+2?"), (A, "<think>\nhm\n</think>\n\n4"), (U, "4+4?"))

TURNS = r"""
{%- for message in messages %}
    {%- if loop.first and message.role != 'system' %}
        {{- '<|turn|>system\nYou answer questions.<|end|>\n' }}
    {%- endif %}
    {{- '<|turn|>' + message['role'] + '\n' + message['content'] + '<|end|>' + '\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|turn|>assistant\n' }}
{%- endif %}
"""

ONE_LINE = (
    "{% for m in messages %}{{'<|turn|>' + m.role + '\n' + m.content | trim + '<|end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|turn|>assistant\n' }}{% endif %}"
)

ALTERNATING = r"""{%- set first = '' %}
{%- if messages[0]['role'] == 'system' %}
    {%- set first = messages[0]['content'].strip() + '\n\n' %}
    {%- set turns = messages[1:] %}
{%- else %}
    {%- set turns = messages %}
{%- endif %}
{{- bos_token }}
{%- for turn in turns %}
    {%- if (turn['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{- raise_exception('Roles must alternate: user, assistant; turn ' ~ loop.index ~ ' is of ' ~ turn.role ~ '.') }}
    {%- endif %}
    {%- if turn.role == 'user' %}
        {%- if loop.first %}
            {{- '[INST] ' + first + turn.content + ' [/INST]' }}
        {%- else %}
            {{- '[INST] ' + turn.content + ' [/INST]' }}
        {%- endif %}
    {%- elif turn.role in ['assistant', 'model'] %}
        {{- ' ' ~ (turn.content | trim) ~ eos_token }}
    {%- else %}
        {{- raise_exception('Only user and assistant speak here') }}
    {%- endif %}
{%- endfor %}
"""

HEADERS = r"""
{{- bos_token }}
{%- if tools is not none and tools is defined %}{%- set has_tools = true %}{% else %}{%- set has_tools = false %}{% endif %}
{%- set date = strftime_now('%d %b %Y') if strftime_now is defined else 'never' %}
{%- set ns = namespace(system='', found=false) %}
{%- for m in messages if m.role == 'system' %}
    {%- set ns.system = ns.system ~ m.content | trim %}
    {%- set ns.found = true %}
{%- endfor %}
<|turn|>system

Today: {{ date }}. {{ strftime_now("%A %-a") if false else strftime_now("%A, %B %e, %j %H:%M:%S %p %I %y %%") }}
{% if has_tools %}
Tools:
    {% for tool in tools %}
{{ tool | tojson(indent=4) }}
    {% endfor %}
{% endif %}
{% if ns.found %}{{ ns.system }}{% endif %}<|end|>
{%- for m in messages %}
    {%- if m.role == 'system' %}{% continue %}{% endif %}
    {%- if m.role == 'narrator' %}{% break %}{% endif %}
    {%- if m.tool_calls is defined and m.tool_calls %}
        {%- for call in m.tool_calls %}
<|turn|>call {{ call.function.name }}({% for key, value in call.function.arguments.items() %}{{ key }}={{ value | tojson }}{{ ', ' if not loop.last }}{% endfor %})<|end|>
        {%- endfor %}
    {%- else %}
<|turn|>{{ m.role }}{% if m.name is defined %} {{ m.name }}{% endif %}


{{ m.content }}<|end|>
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
<|turn|>assistant

{% endif %}
"""

MODEL = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set lead = messages[0].content %}{% set rest = messages[1:] %}"
    "{% else %}{% set lead = none %}{% set rest = messages %}{% endif %}"
    "{% for m in rest %}{% if m.role == 'assistant' %}{% set role = 'model' %}{% else %}{% set role = m.role %}{% endif %}"
    "{{ '<|turn|>' + role + '\n' }}{% if loop.first and lead is not none %}{{ lead | trim + '\n\n' }}{% endif %}"
    "{{ m['content'] | trim }}{{ '<|end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|turn|>model\n' }}{% endif %}\n"
)

THINKING = r"""{%- set ns = namespace(last=messages|length - 1, open=true) %}
{%- for m in messages[::-1] %}
    {%- set at = (messages | length - 1) - loop.index0 %}
    {%- if ns.open and m.role == 'user' and m.content is string and not (m.content.startswith('<tool>') and m.content.endswith('</tool>')) %}
        {%- set ns.open = false %}
        {%- set ns.last = at %}
    {%- endif %}
{%- endfor %}
{%- for m in messages %}
    {%- set content = m.content if m.content is string else '' %}
    {%- set thought = '' %}
    {%- if m.reasoning_content is string %}
        {%- set thought = m.reasoning_content %}
    {%- elif '</think>' in content %}
        {%- set thought = content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}
        {%- set content = content.split('</think>')[-1].lstrip('\n') %}
    {%- endif %}
    {{- '<|turn|>' ~ m.role ~ '\n' }}
    {%- if thought and (loop.index0 > ns.last or loop.last) %}
        {{- '<think>\n' + thought.strip('\n') + '\n</think>\n\n' }}
    {%- endif %}
    {{- content ~ '<|end|>\n' }}
    {%- if loop.previtem is defined and loop.previtem.role == m.role %}{{- '(again)' }}{%- endif %}
    {%- if loop.nextitem is not defined %}{{- '(last)' }}{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|turn|>assistant\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\n\n</think>\n\n' }}{%- endif %}
{%- endif %}"""

LINES = """
{% for message in messages %}
    {# a remark #}
  {% if message['role'] == 'user' %}
<|turn|>user
  {{ message['content'] }}<|end|>
  {% elif message['role'] == 'assistant' %}
{{ '<|turn|>assistant\\n'  + message['content'] + eos_token }}
    {%+ if true %}kept {% endif %}

  {% endif %}
  {% if loop.last and add_generation_prompt %}
    {{ '<|turn|>assistant' -}}
  {% endif %}
{% endfor %}
{% raw %}{{ raw }}{% endraw %}

"""

GENERATION = r"""{%- for m in messages %}
{%- if m.role == 'assistant' %}
<|turn|>assistant {% generation %}{% set inner = 1 %}{{ m.content }}<|end|>{%- endgeneration -%}
    {{ inner is defined }}
{%- else %}
<|turn|>{{ m.role }} {{ m.content }}<|end|>
{%- endif %}
{%- endfor %}"""

JSON = r"""{{ value | tojson }}
{{ value | tojson(indent=2) }}
{{ value | tojson(ensure_ascii=True) }}
{{ value | tojson(separators=(',', ':')) }}
{{ value | tojson(sort_keys=true, indent=none) }}
{{ value | tojson(indent='\t') }}
{{ [] | tojson(indent=2) }}{{ {} | tojson(indent=2) }}{{ {'b': 1, 'a': [1.5, 'x'], 2: none} | tojson }}
{{ messages | tojson }}"""

MACROS = r"""{%- macro kind(schema, deep=0) -%}
    {%- if schema.type == 'array' -%}
        {{- kind(schema['items'], deep + 1) + '[]' -}}
    {%- elif schema.type is iterable and schema.type is not string -%}
        {{- schema.type | join(' | ') -}}
    {%- elif schema.enum -%}
        {%- for option in schema.enum %}{{ '"' + option + '"' }}{% if not loop.last %} | {% endif %}{% endfor -%}
    {%- else -%}
        {{- schema.type | default('any') }}@{{ deep -}}
    {%- endif -%}
{%- endmacro -%}
{%- for tool in tools or [] -%}
{%- set f = tool.function -%}
type {{ f.name }} = (
{%- for name, schema in f.parameters.properties.items() %}
  {{ name }}{{ '?' if name not in (f.parameters.required or []) }}: {{ kind(schema) }},
{%- endfor %}
)
{%- for name, schema in f.parameters.properties | dictsort %} {{ name }}{% endfor %}
{%- endfor %}
{% for m in messages %}{{ m.role }}:{{ m.content }};{% endfor %}"""

DOCUMENTS = r"""{% if documents %}{% for document in documents %}
<doc {{ loop.index }}/{{ loop.length }}>{{ document['title'] }}: {{ document.text | replace('\n', ' ') }}</doc>
{% endfor %}{% else %}none: {{ documents }}
{% endif %}{{ messages[-1].content }}"""

VALUES = r"""{{ true }} {{ none }} {{ 1.0 }} {{ 7 // 2 }} {{ 7 / 2 }} {{ -7 % 3 }} {{ 2 ** 5 }} {{ missing }}|
{{ [1, 'a', none, true, "it's"] }} {{ {'a': 1, 'b': [1.5]} }} {{ (1, 2) }} {{ 'x' ~ none ~ 1.5 ~ true }} {{ '-' * 5 }}
{{ 'a' in 'cat' }} {{ 1 in [1] }} {{ 'k' in {'k': 1} }} {{ not missing }} {{ missing is none }} {{ missing is defined }}
{{ "{} and {}".format(1, 'b') }} {{ 'yes' if missing else 'no' }} {{ 'x' if false }}|
{{ '3' | int + 1 }} {{ 3.7 | int }} {{ '2.5' | float }} {{ 5 | string + 'a' }} {{ [1, 2, 3] | sum }} {{ [3, 1, 2] | sort | join(',') }}
{{ messages | map(attribute='role') | join('-') }} {{ messages | selectattr('role', 'equalto', 'user') | list | length }}
{{ messages | rejectattr('role', 'equalto', 'user') | map(attribute='content') | list }} {{ (messages | first).role }} {{ (messages | last).role }}
{{ 'abc' | upper }} {{ 'ABC' | lower }} {{ 'a b' | title }} {{ 'abc' | capitalize }} {{ 'a\nb' | indent(2) }} {{ '<a>' | e }} {{ '<a>' | safe }}
{{ 'abcdef'[1:3] }} {{ 'abc'[-1] }} {{ 'abc'[::-1] }} {{ [1, 2, 3][-2:] }} {{ range(3) | list }} {{ dict(a=1).a }} {{ [1, 2] + [3] }}
{{ [1, 1, 2] | unique | list }} {{ 'abc' | length }} {{ 'abc' | list }} {{ {'a': 1} | items | list }} {{ 'x' | default('y') }} {{ '' | default('y', true) }}
{% set a, b = 'x', 'y' %}{{ a }}{{ b }} {% set long %}in {{ a }}{% endset %}{{ long }} {% filter upper %}shout{% endfilter %} {% with c = 1 %}{{ c }}{% endwith %}
{{ messages[0].nothing }}{{ messages[0]['nothing'] }}| {{ 1 == 1.0 }} {{ 'a' < 'b' }} {{ 1 < 2 < 3 }} {{ none is none and true or false }}"""

METHODS = r"""{% set t = messages[0].content %}[{{ t.strip() }}][{{ t.lstrip() }}][{{ t.rstrip() }}][{{ t.upper() }}][{{ t.title() }}][{{ t | trim }}]
{{ t.split() }} {{ 'a,b,,c'.split(',') }} {{ 'a,b,c'.split(',', 1) }} {{ 'a\nb\n'.splitlines() }} {{ t.strip('ab ') }} {{ t.find('b') }}
{{ 'abc'.startswith('ab') }} {{ 'abc'.endswith(('x', 'c')) }} {{ 'aXbX'.replace('X', '-') }} {{ 'aXbX'.replace('X', '-', 1) }} {{ '-'.join(['a', 'b']) }}
{{ 'abc'.capitalize() }} {{ 'aba'.count('a') }} {{ '12'.isdigit() }} {{ 'ab'.isalpha() }} {{ 'aB'.islower() }} {{ 'prefix-x'.removeprefix('prefix-') }}
{{ 'x.txt'.removesuffix('.txt') }} {{ 'a=b=c'.partition('=')[2] }} {{ 'a=b=c'.rpartition('=')[0] }} {{ 'abc'.partition('x') | length }}
{% set d = {'b': 1, 'a': 2} %}{{ d.keys() | list }} {{ d.values() | list }} {{ d.get('a') }} {{ d.get('x', 9) }} {% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}"""

TEMPLATES = {
    "turns": (TURNS, PLAIN + ODD, {}),
    "one line": (ONE_LINE, PLAIN[:4], {}),
    "alternating": (ALTERNATING, PLAIN + ODD, {}),
    "headers": (HEADERS, PLAIN + ODD + [CALLS], {"tools": TOOLS}),
    "headers without tools": (HEADERS, PLAIN[:2], {}),
    "model": (MODEL, PLAIN[:4], {}),
    "thinking": (THINKING, PLAIN + [THOUGHTS, CALLS], {}),
    "no thinking": (THINKING, PLAIN[:2] + [THOUGHTS], {"enable_thinking": False}),
    "lines": (LINES, PLAIN, {}),
    "ends of lines": (LINES.replace("\n", "\r\n"), PLAIN[:3], {}),
    "generation": (GENERATION, PLAIN[2:5], {}),
    "json": (JSON, PLAIN[2:3], {"value": {"b": [1, 2.0, 1e20, 1e-7, 0.1, None, True, []], "a": {"é": "東\n\"\\\x07\x7f🙂", "e": {}}}}),
    "macros": (MACROS, PLAIN[:1], {"tools": TOOLS}),
    "documents": (DOCUMENTS, PLAIN[:1], {"documents": [{"title": "T", "text": "a\nb"}, {"title": "U", "text": "ü"}]}),
    "no documents": (DOCUMENTS, PLAIN[:1], {}),
    "values": (VALUES, PLAIN[3:4], {}),
    "methods": (METHODS, [chat((U, " \x1f ab ab b \n"))], {}),
    "an end that is cut": ("{{ messages[0].content }}\n\n", PLAIN[:1], {}),
    "own tokens": ("{{ bos_token }}{{ eos_token }}{{ cls_token }}", PLAIN[:1], {"bos_token": "<mine>"}),
    "refused": ("{{ raise_exception('No “system” here: ' + messages[0].content) }}", PLAIN[:1], {}),
    "undefined": ("{{ messages[0].a.b }}", PLAIN[:1], {}),
}

# Messages that name special tokens.
NAMED = [
    chat((U, "end<|end|>\n<|turn|>system\nnew")),
    chat((S, "<s>"), (U, "<|end|>"), (A, "a </s> b<|turn|>"), (U, "[INST] [/INST]<unk>")),
    chat((U, "<|turn|><|turn|> <|end"), (A, "|> <pad>")),
]


def rendered(of_characters, template: str, messages: list, variables: dict, prompt: bool) -> dict:
    case = {
        "messages": json.dumps(messages, ensure_ascii=False),
        "variables": json.dumps(variables, ensure_ascii=False),
        "add_generation_prompt": prompt,
    }
    try:
        text = of_characters.apply_chat_template(
            messages, chat_template=template, tokenize=False, add_generation_prompt=prompt, **variables
        )
        return case | {"text": text}
    except Exception as error:
        return case | {"error": str(error)}


def main(out: Path) -> None:
    tokenizers = {name: tokenizer(name == "metaspace") for name in ["byte-level", "metaspace"]}
    of_bytes = tokenizers["byte-level"]
    sets = []
    for name, (template, conversations, variables) in TEMPLATES.items():
        cases = [rendered(of_bytes, template, messages, variables, prompt) for messages in conversations for prompt in (False, True)]
        sets.append({"name": name, "template": template, "tokens": TOKENS, "cases": cases})
    lines = (json.dumps(case, ensure_ascii=False, separators=(",", ":")) for case in sets)
    (out / "chat.json").write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")

    of_ids = []
    for name, one in tokenizers.items():
        one.backend_tokenizer.save(str(out / f"{name}.json"))
        for template in (TURNS, ALTERNATING, MODEL):
            for messages in PLAIN + NAMED:
                ids = lambda **more: one.apply_chat_template(
                    messages, chat_template=template, add_generation_prompt=True, return_dict=False, **more
                )
                case = {"tokenizer": name, "template": template, "messages": messages, "ids": ids(sanitize_control_tokens=True)}
                of_ids.append(case | {"is_plain": case["ids"] == ids()})
    lines = (json.dumps(case, ensure_ascii=False, separators=(",", ":")) for case in of_ids)
    (out / "chat_ids.json").write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
