import ast
import math
import textwrap

import numpy as np
import pandas as pd  # pyright: ignore[reportMissingTypeStubs]: of pandas nothing is typed
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kingpost.integrations.feast.files import PythonFile
from kingpost.integrations.feast.functions import RowExpression, row_expressions
from kingpost.integrations.feast.model import UserFunction
from kingpost.integrations.feast.names import Names, parse_module
from kingpost.integrations.feast.row_syntax import Parameter, Unturned

INPUTS = {
    "a": Parameter("a", "float"),
    "b": Parameter("b", "float"),
    "flag": Parameter("flag", "bool"),
    "word": Parameter("word", "str"),
}
HEAD = "import math\nimport numpy as np\nimport pandas as pd\n\nLIMIT = 3\n\n"


def turned(body: str, *, by_row: bool = False) -> RowExpression | Unturned:
    """Turn a body whose output is called `x`."""
    text = f"{HEAD}def view(inputs):\n{textwrap.indent(body, '    ')}\n"
    module = parse_module(PythonFile("repo.py", text))
    (function,) = [one for one in module.tree.body if isinstance(one, ast.FunctionDef)]
    names = Names({"repo": module})
    found = row_expressions(UserFunction(function, module), INPUTS, ["x"], names, by_row=by_row)
    return found["x"]


def column(expression: str) -> str:
    return f"df = pd.DataFrame()\ndf['x'] = {expression}\nreturn df"


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("inputs['a'] + inputs.b * LIMIT", "a + b * 3"),
        ("(inputs['a'] / inputs['b']).astype('float32')", "float(a / b)"),
        ("inputs['a'].fillna(0)", "0 if math.isnan(a) else a"),
        (
            "(inputs['a'] / inputs['b']).fillna(0)",
            "0 if math.isnan((value := (a / b if b != 0 else math.nan))) else value",
        ),
        ("inputs['a'].clip(lower=1)", "1 if a < 1 else a"),
        ("inputs['a'].between(0, 5)", "0 <= a <= 5"),
        ("inputs['a'].replace(0, np.nan)", "math.nan if a == 0 else a"),
        ("np.where(inputs['a'] > 0, inputs['b'] / inputs['a'], 0)", "b / a if a > 0 else 0"),
        ("np.log1p(inputs['a'])", "math.log1p(a)"),
        ("inputs['a'].abs() ** 2", "abs(a) ** 2"),
        ("inputs['a'] ** 0.5", "math.pow(a, 0.5)"),
        ("(inputs['a'] > 1) & ~inputs['flag']", "a > 1 and (not flag)"),
        ("inputs['word'] == 'yes'", "word == 'yes'"),
        ("inputs['a'].apply(lambda one: one + 1)", "a + 1"),
        ("inputs.apply(lambda row: row['a'] - row['b'], axis=1)", "a - b"),
        ("inputs['a'].isna()", "math.isnan(a)"),
    ],
)
def test_column_arithmetic_becomes_that_of_a_row(expression: str, expected: str) -> None:
    made = turned(column(expression))

    assert isinstance(made, RowExpression), made
    assert made.text == expected


@pytest.mark.parametrize(
    "body",
    [
        "total = inputs['a'] + inputs['b']\ndf = pd.DataFrame()\ndf['x'] = total\nreturn df",
        "df = inputs.copy()\ndf['x'] = df['a'] + df['b']\nreturn df[['x']]",
        "return pd.DataFrame({'x': inputs['a'] + inputs['b']})",
        "df = pd.DataFrame()\ndf['x'] = inputs['a']\ndf['x'] += inputs['b']\nreturn df",
        "return {'x': [one + other for one, other in zip(inputs['a'], inputs['b'])]}",
        "out = {}\nout['x'] = [a + b for a, b in zip(inputs['a'], inputs['b'])]\nreturn out",
    ],
)
def test_a_body_is_followed_to_what_it_returns(body: str) -> None:
    made = turned(body)

    assert isinstance(made, RowExpression), made
    assert made.text == "a + b"
    assert [parameter.name for parameter in made.parameters] == ["a", "b"]


def test_a_singleton_function_is_of_one_row_already() -> None:
    made = turned("return {'x': inputs['a'] if inputs['b'] is not None else 0}", by_row=True)

    assert isinstance(made, RowExpression), made
    assert made.text == "a if not math.isnan(b) else 0"


@pytest.mark.parametrize(
    ("expression", "what"),
    [
        ("inputs['a'].rolling(3).mean()", "has no row form"),
        ("inputs['a'] - inputs['a'].mean()", "has no row form"),
        ("inputs['unknown'] + 1", "the input 'unknown' has no counterpart"),
        ("inputs['word']", "is text, and a feature is a number"),
        ("inputs['word'] > 3", "compares text with numbers"),
        ("np.maximum(inputs['a'], 0)", "has no row form"),
        ("lookup(inputs['a'])", "has no row form"),
        ("inputs['a'].astype('category')", "has no row form"),
        ("inputs['a'] + missing_constant", "missing_constant is not defined"),
        ("max(inputs['a'])", "has no row form"),
        ("inputs['a'].fillna(0, limit=1)", "has no row form"),
        ("np.log(inputs['a'], where=inputs['b'])", "has no row form"),
        ("(inputs['a'] > 1) + inputs['flag']", "arithmetic of truths"),
    ],
)
def test_what_has_no_row_form_says_so_with_its_line(expression: str, what: str) -> None:
    made = turned(column(expression))

    assert isinstance(made, Unturned)
    assert what in made.what
    assert made.at == ("repo.py", 9)


@pytest.mark.parametrize(
    "body",
    [
        "for row in inputs:\n    pass\nreturn inputs",
        "if True:\n    return inputs\nreturn inputs",
        "return 3",
        "pass",
        "inputs.value = 3\nreturn inputs",
    ],
)
def test_a_body_with_branches_or_without_a_table_is_refused_as_a_whole(body: str) -> None:
    with pytest.raises(Unturned):
        turned(body)


def test_an_expression_that_doubles_itself_is_refused_rather_than_written_out() -> None:
    doubled = "\n".join(["v = inputs['a']", *["v = v + v"] * 60])

    made = turned(f"{doubled}\ndf = pd.DataFrame()\ndf['x'] = v\nreturn df")

    assert isinstance(made, Unturned)
    assert "longer than a row expression" in made.what


numbers = st.one_of(
    st.integers(-5, 5).map(float), st.just(math.nan), st.floats(-1e6, 1e6, allow_subnormal=False)
)


@pytest.mark.parametrize(
    "expression",
    [
        "inputs['a'] + inputs['b'] * LIMIT - 0.5",
        "inputs['a'].fillna(7) - inputs['b'].clip(lower=-1, upper=2)",
        "np.where(inputs['a'] > inputs['b'], inputs['a'], -inputs['b'])",
        "np.where(inputs['a'].between(-2, 2) | inputs['b'].isna(), 1, 0)",
        "inputs['a'].replace(0, np.nan).fillna(1) * inputs['b'].abs()",
        "inputs['a'] ** 3",
        "((inputs['a'] >= 0) & ~(inputs['b'] == 1)).astype(int)",
    ],
)
@given(a=numbers, b=numbers)
def test_a_row_form_gives_what_pandas_gives(expression: str, a: float, b: float) -> None:
    made = turned(column(expression))
    assert isinstance(made, RowExpression), made
    frame = pd.DataFrame({"a": [a], "b": [b]})
    expected = float(np.asarray(eval(expression, {"np": np, "LIMIT": 3, "inputs": frame}))[0])

    found = float(eval(made.text, {"math": math, "a": a, "b": b}))

    # a power may differ in the last bit
    assert math.isclose(found, expected, rel_tol=1e-12) or (
        math.isnan(found) and math.isnan(expected)
    )
