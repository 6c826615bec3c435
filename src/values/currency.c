/*
 * currency.c
 *		ISO 4217 currency codes: the active list, with the codes of funds and
 *		metals, and the ones withdrawn since 2020 (old usage still has them).
 */
#include "values/currency.h"

static const char codes[] =
"AEDAFNALLAMDANGAOAARSAUDAWGAZNBAMBBDBDTBGNBHDBIFBMDBNDBOBBOVBRLBSDBTNBWPBYNBZD"
"CADCDFCHECHFCHWCLFCLPCNYCOPCOUCRCCUCCUPCVECZKDJFDKKDOPDZDEGPERNETBEURFJDFKPGBP"
"GELGHSGIPGMDGNFGTQGYDHKDHNLHRKHTGHUFIDRILSINRIQDIRRISKJMDJODJPYKESKGSKHRKMFKPW"
"KRWKWDKYDKZTLAKLBPLKRLRDLSLLYDMADMDLMGAMKDMMKMNTMOPMRUMURMVRMWKMXNMXVMYRMZNNAD"
"NGNNIONOKNPRNZDOMRPABPENPGKPHPPKRPLNPYGQARRONRSDRUBRWFSARSBDSCRSDGSEKSGDSHPSLE"
"SLLSOSSRDSSPSTNSVCSYPSZLTHBTJSTMTTNDTOPTRYTTDTWDTZSUAHUGXUSDUSNUYIUYUUYWUZSVED"
"VESVNDVUVWSTXAFXAGXAUXBAXBBXBCXBDXCDXCGXDRXOFXPDXPFXPTXSUXTSXUAXXXYERZARZMWZWGZWL";

/* Is this one of the codes?  They are in order, three letters each. */
bool
meter_currency_known(const char *code, int len)
{
	int			low = 0;
	int			high = (int) (sizeof(codes) - 1) / 3;

	if (len != 3)
		return false;
	while (low < high)
	{
		int			middle = (low + high) / 2;
		int			cmp = memcmp(code, codes + 3 * middle, 3);

		if (cmp == 0)
			return true;
		if (cmp < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return false;
}
