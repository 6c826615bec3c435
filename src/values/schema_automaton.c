/*
 * schema_automaton.c
 *		Patterns as small automatons of our own.
 *
 * Starting the server's regular expression engine costs some microseconds,
 * more than all the rest of a small event.  Most patterns are small: so they
 * get a position automaton (Glushkov's), whose states are the pattern's
 * characters.  It is built while the pattern is read: every piece of it knows
 * the positions it may begin and end with and whether it may be empty, and
 * joining two pieces says which positions may follow which.  Counts copy their
 * piece.  Matching keeps the set of positions reached in a bitmap, so that it
 * never turns back: its time is the text's length times the positions alive.
 *
 * Look-around, word boundaries, anchors anywhere but around the whole pattern
 * and more than MAX_POSITIONS are left to the engine.
 */
#include "values/schema_pattern.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"

#define MAX_WORDS		16
#define MAX_POSITIONS	(MAX_WORDS * 64)
#define ASCII			128

typedef struct PositionSet
{
	uint64		words[MAX_WORDS];
} PositionSet;

/* A part of the pattern; its positions are numbered from, ..., to - 1. */
typedef struct Piece
{
	PositionSet first;
	PositionSet last;
	bool		nullable;
	int			from;
	int			to;
} Piece;

/* A group that is open, or the whole pattern. */
typedef struct Frame
{
	Piece		before;			/* alternatives that are complete */
	bool		alternatives;
	Piece		sequence;		/* of the present alternative */
	Piece		atom;			/* its last part, which may still be repeated */
	int			from;
} Frame;

/* A class of characters and the positions that have it. */
typedef struct PositionClass
{
	SchemaCharset set;
	PositionSet positions;
} PositionClass;

struct SchemaAutomaton
{
	bool		abandoned;
	bool		start;			/* anchored by ^ */
	bool		end;			/* and by $ */
	bool		nullable;
	int			npositions;
	int			nwords;			/* as many words of each set matter */
	int			nclasses;
	PositionClass *classes;
	uint64	   *masks;			/* for each ASCII character, who has it */
	uint64	   *follow;			/* for each position, who may come next */
	PositionSet first;
	PositionSet last;

	/* while it is built */
	int			depth;
	Frame	   *frames;
	PositionSet *building;		/* follow */
	uint16		class_of[MAX_POSITIONS];
};

static inline void
set_add(PositionSet *set, int position)
{
	set->words[position / 64] |= UINT64CONST(1) << (position % 64);
}

static inline bool
set_has(const PositionSet *set, int position)
{
	return (set->words[position / 64] >> (position % 64)) & 1;
}

static void
set_union(PositionSet *into, const PositionSet *from)
{
	for (int w = 0; w < MAX_WORDS; w++)
		into->words[w] |= from->words[w];
}

/* The same positions, by later. */
static PositionSet
set_shift(const PositionSet *set, int by)
{
	PositionSet result = {{0}};

	for (int i = 0; i + by < MAX_POSITIONS; i++)
	{
		if (set_has(set, i))
			set_add(&result, i + by);
	}
	return result;
}

SchemaAutomaton *
meter_schema_automaton_create(void)
{
	SchemaAutomaton *a = palloc0(sizeof(SchemaAutomaton));

	a->frames = palloc0((METER_SCHEMA_MAX_GROUPS + 1) * sizeof(Frame));
	a->building = palloc0(MAX_POSITIONS * sizeof(PositionSet));
	a->classes = palloc0(MAX_POSITIONS * sizeof(PositionClass));
	a->frames[0].sequence.nullable = a->frames[0].atom.nullable = true;
	return a;
}

void
meter_schema_automaton_abandon(SchemaAutomaton *a)
{
	if (a)
		a->abandoned = true;
}

/* Whatever ends in from may be followed by what begins with to. */
static void
link_positions(SchemaAutomaton *a, const PositionSet *from, const PositionSet *to)
{
	for (int i = 0; i < a->npositions; i++)
	{
		if (set_has(from, i))
			set_union(&a->building[i], to);
	}
}

/* Put b behind a piece. */
static void
append_piece(SchemaAutomaton *a, Piece *piece, const Piece *b)
{
	link_positions(a, &piece->last, &b->first);
	if (piece->nullable)
		set_union(&piece->first, &b->first);
	if (b->nullable)
		set_union(&piece->last, &b->last);
	else
		piece->last = b->last;
	piece->nullable &= b->nullable;
	piece->to = b->to;
}

/* The last atom will not be repeated any more. */
static void
flush_atom(SchemaAutomaton *a, Frame *f)
{
	append_piece(a, &f->sequence, &f->atom);
	memset(&f->atom, 0, sizeof(Piece));
	f->atom.nullable = true;
	f->atom.from = f->atom.to = a->npositions;
}

/* May something come here?  Nothing may behind $. */
static bool
may_grow(SchemaAutomaton *a)
{
	if (a == NULL || a->abandoned)
		return false;
	a->abandoned = a->end;
	return !a->abandoned;
}

/* One character of a normalized set comes next. */
void
meter_schema_automaton_add(SchemaAutomaton *a, const SchemaCharset *set)
{
	Frame	   *f;
	int			position;

	if (!may_grow(a))
		return;
	if (a->npositions >= MAX_POSITIONS)
	{
		a->abandoned = true;
		return;
	}
	f = &a->frames[a->depth];
	flush_atom(a, f);
	position = a->npositions++;
	a->class_of[position] = a->nclasses;
	a->classes[a->nclasses++].set = *set;
	set_add(&f->atom.first, position);
	set_add(&f->atom.last, position);
	f->atom.nullable = false;
	f->atom.to = a->npositions;
}

/* A copy of a piece at new positions. */
static Piece
copy_piece(SchemaAutomaton *a, const Piece *piece)
{
	int			by = a->npositions - piece->from;
	Piece		copy = {
		.first = set_shift(&piece->first, by), .last = set_shift(&piece->last, by),
		.nullable = piece->nullable, .from = piece->from + by, .to = piece->to + by
	};

	for (int i = piece->from; i < piece->to; i++)
	{
		a->building[i + by] = set_shift(&a->building[i], by);
		a->class_of[i + by] = a->class_of[i];
	}
	a->npositions += piece->to - piece->from;
	return copy;
}

/* The last atom is repeated; max -1 for no end. */
void
meter_schema_automaton_repeat(SchemaAutomaton *a, int min, int max)
{
	int			copies = max < 0 ? Max(min, 1) : Max(max, 1);
	Piece	   *pieces;
	Piece	   *atom;

	if (!may_grow(a))
		return;
	atom = &a->frames[a->depth].atom;
	if (copies > MAX_POSITIONS || atom->from + (atom->to - atom->from) * copies > MAX_POSITIONS)
	{
		a->abandoned = true;
		return;
	}
	if (max == 0)
	{
		/* nothing begins or ends with it */
		memset(&atom->first, 0, sizeof(PositionSet));
		memset(&atom->last, 0, sizeof(PositionSet));
		atom->nullable = true;
		return;
	}

	/* all copies first: joining adds links that must not be copied */
	pieces = palloc(copies * sizeof(Piece));
	pieces[0] = *atom;
	for (int i = 1; i < copies; i++)
		pieces[i] = copy_piece(a, atom);
	for (int i = 0; i < copies; i++)
	{
		if (max < 0 && i == copies - 1)
			link_positions(a, &pieces[i].last, &pieces[i].first);
		if (i >= min)
			pieces[i].nullable = true;
	}
	*atom = pieces[0];
	for (int i = 1; i < copies; i++)
		append_piece(a, atom, &pieces[i]);
	pfree(pieces);
}

void
meter_schema_automaton_open(SchemaAutomaton *a)
{
	Frame	   *f;

	if (!may_grow(a))
		return;
	flush_atom(a, &a->frames[a->depth]);
	f = &a->frames[++a->depth];
	memset(f, 0, sizeof(Frame));
	f->from = a->npositions;
	f->sequence.nullable = f->atom.nullable = true;
}

/* The present alternative of a frame is complete. */
static void
end_alternative(SchemaAutomaton *a, Frame *f)
{
	flush_atom(a, f);
	set_union(&f->before.first, &f->sequence.first);
	set_union(&f->before.last, &f->sequence.last);
	f->before.nullable |= f->sequence.nullable;
	memset(&f->sequence, 0, sizeof(Piece));
	f->sequence.nullable = true;
}

void
meter_schema_automaton_alternate(SchemaAutomaton *a)
{
	if (!may_grow(a))
		return;
	end_alternative(a, &a->frames[a->depth]);
	a->frames[a->depth].alternatives = true;
	/* ^a|b is anchored in one alternative only */
	if (a->depth == 0 && a->start)
		a->abandoned = true;
}

void
meter_schema_automaton_close(SchemaAutomaton *a)
{
	Frame	   *f;
	Piece	   *atom;

	if (!may_grow(a))
		return;
	f = &a->frames[a->depth--];
	end_alternative(a, f);
	atom = &a->frames[a->depth].atom;
	*atom = f->before;
	atom->from = f->from;
	atom->to = a->npositions;
}

void
meter_schema_automaton_anchor(SchemaAutomaton *a, bool start)
{
	if (!may_grow(a))
		return;
	if (a->depth > 0 || a->frames[0].alternatives || (start && (a->npositions > 0 || a->start)))
		a->abandoned = true;
	else if (start)
		a->start = true;
	else
		a->end = true;
}

/* Forget what was needed for building only. */
static void
free_building(SchemaAutomaton *a)
{
	pfree(a->frames);
	pfree(a->building);
	a->frames = NULL;
	a->building = NULL;
}

/* Turn what was built into what is matched; returns its bytes, or 0 if that
 * cannot be (and then frees it). */
Size
meter_schema_automaton_finish(SchemaAutomaton *a)
{
	Frame	   *f = &a->frames[0];

	if (a->abandoned)
	{
		free_building(a);
		pfree(a->classes);
		pfree(a);
		return 0;
	}
	end_alternative(a, f);
	a->first = f->before.first;
	a->last = f->before.last;
	a->nullable = f->before.nullable;
	a->nwords = Max((a->npositions + 63) / 64, 1);
	a->follow = palloc0(Max(a->npositions, 1) * a->nwords * sizeof(uint64));
	a->masks = palloc0(ASCII * a->nwords * sizeof(uint64));
	for (int i = 0; i < a->npositions; i++)
	{
		PositionClass *class = &a->classes[a->class_of[i]];

		memcpy(&a->follow[i * a->nwords], &a->building[i], a->nwords * sizeof(uint64));
		set_add(&class->positions, i);
		for (int r = 0; r < class->set.nranges; r++)
		{
			for (uint32 c = class->set.ranges[r].first; c <= class->set.ranges[r].last && c < ASCII; c++)
				a->masks[c * a->nwords + i / 64] |= UINT64CONST(1) << (i % 64);
		}
	}
	free_building(a);
	a->classes = repalloc(a->classes, Max(a->nclasses, 1) * sizeof(PositionClass));
	return sizeof(SchemaAutomaton) + a->nclasses * sizeof(PositionClass) +
		(a->npositions + ASCII) * a->nwords * sizeof(uint64);
}

/* Which positions have a character outside ASCII? */
static void
wide_mask(const SchemaAutomaton *a, uint32 c, PositionSet *mask)
{
	memset(mask, 0, sizeof(PositionSet));
	for (int i = 0; i < a->nclasses; i++)
	{
		if (meter_schema_charset_contains(&a->classes[i].set, c))
			set_union(mask, &a->classes[i].positions);
	}
}

/* The mask of the character at *p, which moves on. */
static inline const uint64 *
next_mask(const SchemaAutomaton *a, const unsigned char **p, PositionSet *wide)
{
	if (likely(**p < ASCII))
		return &a->masks[*(*p)++ * a->nwords];
	wide_mask(a, utf8_to_unicode(*p), wide);
	*p += pg_utf_mblen(*p);
	return wide->words;
}

/* Does s match?  For up to 64 positions. */
static bool
match_small(const SchemaAutomaton *a, const unsigned char *p, const unsigned char *end)
{
	uint64		first = a->first.words[0];
	uint64		last = a->last.words[0];
	uint64		next = first;
	uint64		active = 0;
	PositionSet wide;

	while (p < end)
	{
		if (unlikely(((end - p) & 0xFFFF) == 0xFFFF))
			CHECK_FOR_INTERRUPTS();
		active = next & *next_mask(a, &p, &wide);
		if (!a->end && (active & last))
			return true;
		if (active == 0 && a->start)
			return false;
		next = a->start ? 0 : first;
		for (uint64 rest = active; rest; rest &= rest - 1)
			next |= a->follow[pg_rightmost_one_pos64(rest)];
	}
	return (active & last) != 0;
}

/* The same for more. */
static bool
match_large(const SchemaAutomaton *a, const unsigned char *p, const unsigned char *end)
{
	PositionSet active;
	PositionSet next = a->first;
	PositionSet wide;
	bool		alive = false;
	bool		accepted = false;

	while (p < end)
	{
		const uint64 *mask = next_mask(a, &p, &wide);

		if (unlikely(((end - p) & 0xFFF) == 0xFFF))
			CHECK_FOR_INTERRUPTS();
		alive = accepted = false;
		for (int w = 0; w < a->nwords; w++)
		{
			active.words[w] = next.words[w] & mask[w];
			alive |= active.words[w] != 0;
			accepted |= (active.words[w] & a->last.words[w]) != 0;
			next.words[w] = a->start ? 0 : a->first.words[w];
		}
		if (accepted && !a->end)
			return true;
		if (!alive && a->start)
			return false;
		for (int w = 0; w < a->nwords; w++)
		{
			for (uint64 rest = active.words[w]; rest; rest &= rest - 1)
			{
				const uint64 *follow =
				&a->follow[(w * 64 + pg_rightmost_one_pos64(rest)) * a->nwords];

				for (int x = 0; x < a->nwords; x++)
					next.words[x] |= follow[x];
			}
		}
	}
	return accepted;
}

/* Does s match? */
bool
meter_schema_automaton_match(const SchemaAutomaton *a, const char *s, int len)
{
	const unsigned char *p = (const unsigned char *) s;

	/* an empty match: anywhere, at the end, or of all of an empty text */
	if (a->nullable && (!a->start || !a->end || len == 0))
		return true;
	return a->nwords == 1 ? match_small(a, p, p + len) : match_large(a, p, p + len);
}
