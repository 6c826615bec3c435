/*
 * expression_lex.c
 *		An expression's text to tokens.
 *
 * A dotted path is one token, so that a field may be called like a keyword
 * anywhere but at a path's beginning.  Words are told apart from names by the
 * parser, which knows where a word can stand.
 */
#include "values/expression_private.h"

#include "mb/pg_wchar.h"

#include "values/json.h"

/* How much of an unexpected token is shown. */
#define SHOWN_BYTES 40

/* The character position of p, which never goes back. */
static int
position_of(MeterLexer *lexer, const char *p)
{
	while (lexer->counted < p)
	{
		lexer->counted++;
		if (lexer->counted == lexer->end || (*lexer->counted & 0xC0) != 0x80)
			lexer->position++;
	}
	return lexer->position;
}

/* Complain about the text at p. */
static bool
fail(MeterLexer *lexer, const char *p, const char *message)
{
	return meter_expression_error(lexer->err, position_of(lexer, p), "INVALID_EXPRESSION",
								  "%s", message);
}

static inline bool
is_digit(const char *p, const char *end)
{
	return p < end && *p >= '0' && *p <= '9';
}

static inline bool
is_name_start(const char *p, const char *end)
{
	return p < end && ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
					   *p == '_' || *p == '$');
}

/* Digits, with a point and an exponent perhaps; .5 is 0.5. */
static bool
scan_number(MeterLexer *lexer, MeterToken *token)
{
	const char *p = lexer->p;

	while (is_digit(p, lexer->end))
		p++;
	if (p < lexer->end && *p == '.')
	{
		if (!is_digit(++p, lexer->end))
			return fail(lexer, p, "expected a digit after the decimal point");
		while (is_digit(p, lexer->end))
			p++;
	}
	if (p < lexer->end && (*p == 'e' || *p == 'E'))
	{
		p++;
		if (p < lexer->end && (*p == '+' || *p == '-'))
			p++;
		if (!is_digit(p, lexer->end))
			return fail(lexer, p, "expected a digit in the exponent");
		while (is_digit(p, lexer->end))
			p++;
	}
	if (is_name_start(p, lexer->end) || (p < lexer->end && (*p == '.' || *p == '`')))
		return fail(lexer, p, "expected an operator after the number");

	token->type = METER_TOKEN_NUMBER;
	token->text = psprintf("%s%.*s", *lexer->p == '.' ? "0" : "",
						   (int) (p - lexer->p), lexer->p);
	token->textlen = strlen(token->text);
	lexer->p = p;
	return true;
}

/* Four hexadecimal digits, or -1. */
static int
scan_hex(const char *p, const char *end)
{
	return end - p < 4 ? -1 : meter_json_hex(p);
}

/* The code point of a \u escape, or a pair of them; p is behind the u. */
static bool
scan_unicode(MeterLexer *lexer, const char **p, char **to)
{
	int			c = scan_hex(*p, lexer->end);

	if (c < 0)
		return fail(lexer, *p, "\\u must be followed by four hexadecimal digits");
	if (c == 0 || (c >= 0xDC00 && c <= 0xDFFF))
		return fail(lexer, *p, "\\u does not name a character");
	if (c >= 0xD800 && c <= 0xDBFF)
	{
		int			low = -1;

		if (lexer->end - *p >= 10 && (*p)[4] == '\\' && (*p)[5] == 'u')
			low = scan_hex(*p + 6, lexer->end);
		if (low < 0xDC00 || low > 0xDFFF)
			return fail(lexer, *p, "high surrogate without a low one");
		c = 0x10000 + ((c & 0x3FF) << 10) + (low & 0x3FF);
		*p += 6;
	}
	*p += 4;
	unicode_to_utf8(c, (unsigned char *) *to);
	*to += pg_utf_mblen((unsigned char *) *to);
	return true;
}

/*
 * What stands between two quotes of a kind, appended at *to; an escape is
 * never shorter than what it stands for.
 */
static bool
scan_quoted(MeterLexer *lexer, char **to)
{
	const char *open = lexer->p;
	const char *p = open + 1;

	while (p < lexer->end && *p != *open)
	{
		const char *escape;

		if (*p != '\\')
		{
			*(*to)++ = *p++;
			continue;
		}
		escape = p++;
		switch (p < lexer->end ? *p++ : '\0')
		{
			case '\\':
			case '\'':
			case '"':
			case '`':
			case '/':
				*(*to)++ = p[-1];
				break;
			case 'n':
				*(*to)++ = '\n';
				break;
			case 'r':
				*(*to)++ = '\r';
				break;
			case 't':
				*(*to)++ = '\t';
				break;
			case 'u':
				if (!scan_unicode(lexer, &p, to))
					return false;
				break;
			default:
				return fail(lexer, escape,
							"unknown escape: expected one of \\\\ \\' \\\" \\` \\/ \\n \\r \\t \\uXXXX");
		}
	}
	if (p >= lexer->end)
		return fail(lexer, open, "quote without its end");
	lexer->p = p + 1;
	return true;
}

/* A text in quotes of either kind. */
static bool
scan_text(MeterLexer *lexer, MeterToken *token)
{
	char	   *to = token->text = palloc(lexer->end - lexer->p);

	if (!scan_quoted(lexer, &to))
		return false;
	*to = '\0';
	token->type = METER_TOKEN_TEXT;
	token->textlen = to - token->text;
	return true;
}

/* A path; its text is the segments without backticks, dots between them. */
static bool
scan_name(MeterLexer *lexer, MeterToken *token)
{
	const char *start = lexer->p;
	char	   *to = token->text = palloc(lexer->end - start + 1);

	token->type = METER_TOKEN_NAME;
	for (;;)
	{
		if (lexer->p < lexer->end && *lexer->p == '`')
		{
			char	   *segment = to;

			token->quoted = true;
			if (!scan_quoted(lexer, &to))
				return false;
			if (to == segment)
				return fail(lexer, start, "a name cannot be empty");
		}
		else if (is_name_start(lexer->p, lexer->end))
		{
			while (is_name_start(lexer->p, lexer->end) || is_digit(lexer->p, lexer->end))
				*to++ = *lexer->p++;
		}
		else
			return fail(lexer, lexer->p,
						"expected a name after the dot, in backticks if it holds odd characters");
		if (lexer->p >= lexer->end || *lexer->p != '.')
			break;
		*to++ = *lexer->p++;
	}
	*to = '\0';
	token->textlen = to - token->text;
	return true;
}

/* The longest operator that stands at p; where two mean the same, one of them. */
static const char *
scan_operator(const char *p, const char *end, int *len)
{
	static const char *const operators[][2] = {
		{"==", "="}, {"!=", "!="}, {"<>", "!="}, {"<=", "<="}, {">=", ">="},
		{"&&", "and"}, {"||", "or"},
		{"=", "="}, {"<", "<"}, {">", ">"}, {"!", "!"}, {"+", "+"}, {"-", "-"},
		{"*", "*"}, {"/", "/"}, {"%", "%"}, {"^", "^"}, {"(", "("}, {")", ")"},
		{",", ","}, {"?", "?"}, {":", ":"}
	};

	for (int i = 0; i < lengthof(operators); i++)
	{
		*len = strlen(operators[i][0]);
		if (end - p >= *len && memcmp(p, operators[i][0], *len) == 0)
			return operators[i][1];
	}
	return NULL;
}

/* Read the next token. */
static bool
next_token(MeterLexer *lexer, MeterToken *token)
{
	const char *p;
	bool		ok = true;

	while (lexer->p < lexer->end && strchr(" \t\r\n", *lexer->p) != NULL)
		lexer->p++;
	p = lexer->p;
	memset(token, 0, sizeof(*token));
	token->start = p;
	token->position = position_of(lexer, p);

	if (p >= lexer->end)
		token->type = METER_TOKEN_END;
	else if (is_digit(p, lexer->end) || (*p == '.' && is_digit(p + 1, lexer->end)))
		ok = scan_number(lexer, token);
	else if (*p == '\'' || *p == '"')
		ok = scan_text(lexer, token);
	else if (*p == '`' || is_name_start(p, lexer->end))
		ok = scan_name(lexer, token);
	else
	{
		const char *op = scan_operator(p, lexer->end, &token->textlen);

		if (op == NULL)
			return meter_expression_error(lexer->err, token->position, "INVALID_EXPRESSION",
										  "unexpected \"%.*s\"",
										  (int) Min(pg_utf_mblen((const unsigned char *) p),
													lexer->end - p), p);
		token->type = METER_TOKEN_OPERATOR;
		token->text = pstrdup(op);
		lexer->p += token->textlen;
	}
	token->len = lexer->p - token->start;
	return ok;
}

/* Go on to the next token. */
bool
meter_compiler_advance(MeterCompiler *c)
{
	return next_token(&c->lexer, &c->token);
}

/* Does this operator come next? */
bool
meter_compiler_at(MeterCompiler *c, const char *op)
{
	return c->token.type == METER_TOKEN_OPERATOR && strcmp(c->token.text, op) == 0;
}

/* Does this word come next, in any case of letters? */
bool
meter_compiler_at_word(MeterCompiler *c, const char *word)
{
	return c->token.type == METER_TOKEN_NAME && !c->token.quoted &&
		pg_strcasecmp(c->token.text, word) == 0;
}

/* Complain about the next token. */
bool
meter_compiler_unexpected(MeterCompiler *c, const char *expected)
{
	int			shown = pg_mbcliplen(c->token.start, c->token.len, SHOWN_BYTES);

	if (c->token.type == METER_TOKEN_END)
		return meter_expression_error(c->err, c->token.position, "INVALID_EXPRESSION",
									  "expected %s, at the end of the expression", expected);
	return meter_expression_error(c->err, c->token.position, "INVALID_EXPRESSION",
								  "expected %s, not %.*s%s", expected, shown, c->token.start,
								  shown < c->token.len ? "..." : "");
}

/* Step over an operator that must stand here. */
bool
meter_compiler_expect(MeterCompiler *c, const char *op, const char *expected)
{
	if (!meter_compiler_at(c, op))
		return meter_compiler_unexpected(c, expected);
	return meter_compiler_advance(c);
}
